#![no_main]

#[expect(dead_code, reason = "each binary fuzzes one of the targets")]
#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::dropbox_sign(data));
