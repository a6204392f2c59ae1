//! However its input is cut, every line of a host comes once, whole and in its order.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_mtls_core::fuzzing::lines(data));
