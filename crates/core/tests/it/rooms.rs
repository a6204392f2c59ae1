//! Holds the direction of the rooms of `ARCHITECTURE.md`: a room names only the rooms under it.

mod paths;

use std::fs;
use std::path::{Path, PathBuf};

use paths::{Source, Use};

#[test]
fn every_room_names_only_the_rooms_under_it() {
    let src = here().join("src");
    let files = rust_files(&src);
    assert!(files.len() > 10, "looked for the sources in {}, and found {files:?}", src.display());
    let broken: Vec<String> = files.iter().flat_map(|file| faults(&inside(&src, file), &read(file))).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn only_render_prints() {
    let src = here().join("../cli/src");
    let files = rust_files(&src);
    assert!(!files.is_empty(), "looked for the sources in {}, and found none", src.display());
    let broken: Vec<String> = files.iter().flat_map(|file| faults_of_cli(&inside(&src, file), &read(file))).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// A room, the rooms that it may name, and the crates that it may not.
struct Room {
    name: &'static str,
    may_name: &'static [&'static str],
    no_crate: &'static [&'static str],
}

/// The rooms, from the lowest up. `lib.rs` stands outside: it shows the rooms to the world.
const ROOMS: &[Room] = &[
    room("error", &[]),
    room("secret", &[]),
    room("config", &["error", "secret"]),
    room("identity", &["error", "secret", "config"]),
    room("trust", &["error", "secret", "config", "identity"]),
    // hyper's `rt` holds its traits for input and output, which know no HTTP.
    room("tls", &["error", "secret", "identity", "trust"]).without(&["hyper", "http"]),
    room("http", &["error", "secret", "config", "identity", "trust", "tls"]),
    room("remote", &["error", "secret", "config", "http"]).without(TRANSPORT),
    room("bridge", &["error", "remote"]).without(TRANSPORT),
    room("doctor", &["error", "config", "identity", "trust", "tls", "http", "remote"]),
    room("devcerts", &["error", "secret", "identity"]),
    // Built for the targets of `fuzz/` and for tests alone.
    room("fuzzing", &["remote", "bridge"]).without(TRANSPORT),
];

const TRANSPORT: &[&str] = &["hyper", "hyper_util", "rustls", "tokio_rustls"];

const fn room(name: &'static str, may_name: &'static [&'static str]) -> Room {
    Room { name, may_name, no_crate: &[] }
}

impl Room {
    const fn without(self, no_crate: &'static [&'static str]) -> Self {
        Self { no_crate, ..self }
    }
}

/// What a file of the library does that its room may not, one sentence each. `file` is relative to `src`.
fn faults(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let Some(name) = module.first() else { return Vec::new() };
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![format!("src/{file}: `{name}` is no room yet: give it a line in tests/it/rooms.rs")];
    };
    let source = Source::read(text, &module);
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(format!("src/{file}:{line}: {what}"));

    for Use { line, path } in &source.paths {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["crate", named, ..] if *named == room.name || room.may_name.contains(named) => {}
            ["crate", named, ..] => fault(*line, format!("`{name}` may not name `crate::{named}`")),
            ["crate"] => fault(*line, format!("`{name}` may not name the whole crate")),
            ["hyper", "rt", ..] if name == "tls" => {}
            [krate, ..] if room.no_crate.contains(krate) => fault(*line, format!("`{name}` may not name `{krate}`")),
            _ => {}
        }
        if name != "config" && reads_environment(&path) {
            fault(*line, format!("only `config` reads the environment, not `{name}`"));
        }
        if names_a_standard_stream(&path) {
            fault(*line, format!("`{}`: the library does not print", path.join("::")));
        }
    }
    for Use { line, path } in &source.macros {
        if PRINTING.contains(&path[0].as_str()) {
            fault(*line, format!("`{}!`: the library does not print", path[0]));
        }
    }
    // A list of ten names out of one room is one fault.
    faults.dedup();
    faults
}

/// The same for the command line, where `render.rs` alone may print.
///
/// The streams that carry the protocol frames of `connect` are opened by `stdio.rs` and written by the bridge, and so
/// are `tokio`'s: that is no printing.
fn faults_of_cli(file: &str, text: &str) -> Vec<String> {
    if file == "render.rs" || file.starts_with("render/") {
        return Vec::new();
    }
    let source = Source::read(text, &module_of(file));
    let streams = source.paths.iter().filter(|used| {
        let path: Vec<&str> = used.path.iter().map(String::as_str).collect();
        file != "stdio.rs" && path.first() != Some(&"tokio") && names_a_standard_stream(&path)
    });
    let macros = source.macros.iter().filter(|used| PRINTING.contains(&used.path[0].as_str()));
    let told = |used: &Use| format!("cli/src/{file}:{}: `{}`: only render prints", used.line, used.path.join("::"));
    streams.chain(macros).map(told).collect()
}

fn reads_environment(path: &[&str]) -> bool {
    path.windows(2).any(|pair| pair[0] == "env" && ["*", "var", "var_os", "vars", "vars_os"].contains(&pair[1]))
}

fn names_a_standard_stream(path: &[&str]) -> bool {
    path.windows(2).any(|pair| pair[0] == "io" && ["stdout", "stderr"].contains(&pair[1]))
}

const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// `tls/tap.rs` is the module `["tls", "tap"]`, `tls/mod.rs` and `tls.rs` are `["tls"]`, and `lib.rs` is the root.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs");
    let parts = stem.split('/').filter(|part| !["mod", "lib", "main"].contains(part));
    parts.map(str::to_owned).collect()
}

/// The folder of this crate: where cargo runs the test, since a target folder may be shared by several checkouts.
fn here() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn inside(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).to_string_lossy().replace('\\', "/")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The checker itself, on small made-up sources.
mod made_up {
    use super::{faults, faults_of_cli};

    fn refused(file: &str, text: &str, what: &str) {
        let found = faults(file, text);
        assert!(
            found.len() == 1 && found[0].contains(what),
            "`{text}` in {file}: expected one fault with `{what}`, got {found:?}"
        );
    }

    fn accepted(file: &str, text: &str) {
        assert_eq!(faults(file, text), Vec::<String>::new(), "`{text}` in {file}");
    }

    #[test]
    fn a_room_that_looks_up_is_refused() {
        refused("bridge/mod.rs", "use crate::tls::Stream;", "`bridge` may not name `crate::tls`");
        refused("http/pool.rs", "fn f() { crate::remote::open() }", "`crate::remote`");
        refused("secret.rs", "use crate::error::Failure;", "`crate::error`");
        refused("trust.rs", "pub(in crate::tls) fn f() {}", "`crate::tls`");
        refused("error.rs", "macro_rules! m { () => { $crate::config::x() } }", "`crate::config`");
    }

    #[test]
    fn lists_globs_and_new_names_hide_nothing() {
        refused("bridge/mod.rs", "use crate::{error::{Code, Failure}, remote, tls::{self, Tap}};", "`crate::tls`");
        refused("bridge/mod.rs", "use {crate::tls::Tap, std::io};", "`crate::tls`");
        refused("tls/mod.rs", "use crate::*;", "`crate::*`");
        refused("tls/mod.rs", "use crate::{self as root};", "the whole crate");
        refused("tls/mod.rs", "use crate as root;", "the whole crate");
        refused("tls/mod.rs", "use crate::Failure;", "`crate::Failure`");
        refused("bridge/mod.rs", "use r#crate_is_not::x; use crate::r#tls as t;", "`crate::tls`");
    }

    #[test]
    fn parents_are_followed_up_to_the_root() {
        refused("remote/sse.rs", "use super::super::bridge::Frame;", "`crate::bridge`");
        refused("remote/mod.rs", "use super::bridge::Frame;", "`crate::bridge`");
        refused("remote/sse.rs", "use super::{Session, super::bridge};", "`crate::bridge`");
        refused("remote/sse.rs", "mod tests { use super::super::super::tls; }", "`crate::tls`");
        refused("remote/sse.rs", "mod a { fn f() { if x { } } mod b {} } use super::super::tls;", "`crate::tls`");
        refused("remote/mod.rs", "mod a; use self::super::tls;", "`crate::tls`");
        accepted("remote/sse.rs", "mod tests { use super::super::Session; use super::*; } pub(super) fn f() {}");
        accepted("remote/mod.rs", "mod tests { use super::*; }");
        refused("remote/mod.rs", "mod tests {} use super::*;", "`crate::*`");
    }

    #[test]
    fn what_is_below_or_within_is_accepted() {
        accepted("bridge/mod.rs", "use crate::error::Failure; use crate::{remote::Remote, bridge::stdio};");
        accepted("lib.rs", "pub use crate::bridge::connect; mod tls;");
        accepted("devcerts.rs", "use crate::{error, identity::facts::{self, Facts}};");
    }

    #[test]
    fn comments_and_texts_are_no_code() {
        accepted("error.rs", "//! [`crate::tls`]\n/* crate::tls /* println!() */ crate::tls */ fn f() {}");
        accepted(
            "error.rs",
            r##"fn f() { g("crate::tls \" crate::http", r#"crate::"tls"#, b'"', '"', '\'', b"\\") }"##,
        );
        refused("error.rs", "fn f<'a>(x: &'a str) { '\"'; crate::tls::g() }", "`crate::tls`");
    }

    #[test]
    fn a_room_without_a_line_in_the_table_is_refused() {
        refused("shed/mod.rs", "", "`shed` is no room yet");
    }

    #[test]
    fn only_config_reads_the_environment() {
        refused("tls/mod.rs", "fn f() { std::env::var(\"X\"); }", "only `config` reads the environment");
        refused("http/mod.rs", "use std::{env::{self, var_os}, io};", "only `config` reads the environment");
        refused("http/mod.rs", "use std::env; fn f() { env::vars() }", "only `config` reads the environment");
        accepted("config/mod.rs", "fn f() { std::env::var(\"X\"); }");
        accepted("http/mod.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\"); fn f() { std::env::consts::OS; }");
    }

    #[test]
    fn the_library_does_not_print() {
        refused("config/mod.rs", "fn f() { println!(\"x\"); }", "`println!`");
        refused("bridge/mod.rs", "fn f() { std::eprintln !(\"x\"); }", "`eprintln!`");
        refused("bridge/mod.rs", "fn f() { write(tokio::io::stdout()) }", "`tokio::io::stdout`");
        refused("bridge/mod.rs", "use std::io::{self, stderr};", "`std::io::stderr`");
        accepted(
            "config/mod.rs",
            "fn f() { command.stdout(Stdio::piped()).stderr(Stdio::null()); child.stdout.take() }",
        );
    }

    #[test]
    fn only_render_prints_on_the_command_line() {
        assert_eq!(faults_of_cli("connect.rs", "fn f() { println!(); std::io::stdout(); io::stderr() }").len(), 3);
        assert!(
            faults_of_cli("connect.rs", "fn f() { bridge::run(tokio::io::stdin(), tokio::io::stdout()) }").is_empty()
        );
        assert!(faults_of_cli("render.rs", "fn f() { println!(); }").is_empty());
        assert_eq!(faults_of_cli("stdio.rs", "fn f() { frames_into(std::io::stdout()); eprintln!() }").len(), 1);
    }

    #[test]
    fn rooms_that_know_no_transport_name_none() {
        refused("remote/mod.rs", "use hyper::body::Incoming;", "`remote` may not name `hyper`");
        refused("bridge/mod.rs", "fn f(e: ::rustls::Error) {}", "`bridge` may not name `rustls`");
        refused("tls/tap.rs", "use hyper::{rt::Read, body::Body};", "`tls` may not name `hyper`");
        accepted("tls/tap.rs", "use hyper::rt::{Read, Write};");
        accepted("remote/mod.rs", "fn f() { hyper; self.hyper::<u8>(); crate::http::hyper::x() }");
    }
}
