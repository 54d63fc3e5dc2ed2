#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plugbus_properties::ce_headers(data));
