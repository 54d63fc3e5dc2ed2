#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plugbus_properties::spool_line(data));
