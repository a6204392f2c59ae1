//! Links the unwinder statically, so that the binary needs no library but the system's C library.

use std::env;

fn main() {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
    // Rust's standard library asks for libgcc_s.so, which small systems do not have. The linker takes
    // the archive of the same functions first, and then has no use for the shared library.
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-lib=dylib=gcc_eh");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
