#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plugbus_properties::traceparent(data));
