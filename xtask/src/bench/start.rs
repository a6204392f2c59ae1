//! (a) From the start of the process to the answer of `initialize`, beside curl doing one POST.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;

use super::bridge::{Bridge, INITIALIZE};
use super::server::Place;
use super::table::{Aim, Samples, Table, ms, ratio};
use super::{Answers, Bench, Http, once};
use crate::programs::{Outcome, Running};

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Outcome {
    for http in Http::BOTH {
        let peer = Bench::peer(http, Answers::Json)?;
        let (mut ours, mut curls, mut bare) = (Samples::default(), Samples::default(), Samples::default());
        // The first of each brings its pages into memory; it does not count.
        for round in 0..=bench.count(100).max(20) {
            let measured =
                [bridge(bench, &peer.place)?, answer_of(curl(&peer.place))?, answer_of(once::command(&peer.place)?)?];
            if round > 0 {
                for (samples, sample) in [&mut ours, &mut curls, &mut bare].into_iter().zip(measured) {
                    samples.push(sample);
                }
            }
        }
        let (us, curl, bare) = (ours.median(), curls.median(), bare.median());
        let times = |one: Duration| ratio(one.as_secs_f64(), curl.as_secs_f64());
        table.row(
            &format!("a  spawn to initialize, {}", http.name()),
            ms(us),
            format!("{} curl", ms(curl)),
            format!("{:.2} x", times(us)),
            Aim::At("at most 0.5 x", times(us) <= 0.5),
        );
        let floor = format!("a  floor: bare hyper client, {}", http.name());
        table.row(&floor, String::new(), ms(bare), format!("{:.2} x curl", times(bare)), Aim::None);
    }
    Ok(())
}

fn bridge(bench: &Bench, place: &Place) -> Outcome<Duration> {
    let start = Instant::now();
    let mut bridge = Bridge::spawn(&bench.binary, place)?;
    bridge.request(INITIALIZE)?;
    let took = start.elapsed();
    // It ends its session before the next one starts.
    bridge.end()?;
    Ok(took)
}

/// One POST of the same message, with the same certificate and the same CA.
fn curl(place: &Place) -> Command {
    let mut command = Command::new("curl");
    command.args(["-q", "--silent", "--show-error", "--fail", "--no-buffer", "--data-binary", INITIALIZE]);
    command.args(["-H", "content-type: application/json", "-H", "accept: application/json, text/event-stream"]);
    command.arg("--cacert").arg(&place.ca).arg("--cert").arg(&place.cert).arg("--key").arg(&place.key);
    command.arg(&place.url);
    command
}

/// How long a program takes from its start to the last byte of the JSON that it prints.
fn answer_of(mut command: Command) -> Outcome<Duration> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).stdin(Stdio::null()).stdout(Stdio::piped());
    let start = Instant::now();
    let mut child = Running::start(&mut command)?;
    let mut stdout = child.stdout.take().ok_or("stdout is a pipe")?;
    let (mut text, mut buffer) = (Vec::new(), vec![0; 1 << 14]);
    while serde_json::from_slice::<IgnoredAny>(&text).is_err() {
        let count = stdout.read(&mut buffer)?;
        if count == 0 {
            return Err(format!("{} printed no JSON", command.get_program().display()).into());
        }
        text.extend_from_slice(&buffer[..count]);
    }
    let took = start.elapsed();
    child.wait()?;
    Ok(took)
}
