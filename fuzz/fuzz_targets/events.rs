//! However a stream of a server is cut, the same events come.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_mtls_core::fuzzing::events(data));
