//! The envelope of any message is read as it is written, and its text stays.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_mtls_core::fuzzing::envelope(data));
