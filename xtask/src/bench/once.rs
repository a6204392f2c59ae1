//! A bare client of one request, as a program of its own: the floor below which no start can come.

use std::io::{self, Write as _};
use std::process::Command;

use super::direct::Direct;
use super::server::Place;
use super::{Http, ONCE};
use crate::programs::Outcome;

/// Sends one `initialize` and prints the answer.
pub(crate) fn run(args: &[&str]) -> Outcome {
    let [alpn, url, addr, ca, cert, key] = args else { return Err("six arguments, please".into()) };
    let http = Http::named(alpn).ok_or("h2 or http/1.1")?;
    let place =
        Place { http, url: (*url).to_owned(), addr: addr.parse()?, ca: ca.into(), cert: cert.into(), key: key.into() };
    Ok(io::stdout().write_all(&Direct::once(&place)?)?)
}

/// The command that runs it.
pub(super) fn command(place: &Place) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([ONCE, place.http.alpn(), &place.url, &place.addr.to_string()]);
    command.args([&place.ca, &place.cert, &place.key]);
    Ok(command)
}
