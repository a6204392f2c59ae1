//! Listings and calls of tools get the headers, and lose the tools, that the specification says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_mtls_core::fuzzing::headers(data));
