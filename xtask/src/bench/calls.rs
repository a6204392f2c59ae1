//! (b) latency, (c) processor time, (e) calls per second, and (g) handshakes.

use std::time::{Duration, Instant};

use super::bridge::{Bridge, cpu_of};
use super::direct::Direct;
use super::table::{Aim, Samples, Table, added, ms, ratio};
use super::{Answers, Bench, Http};
use crate::programs::Outcome;

/// (b) Rounds of ours and of the direct client in turn, against the same server.
pub(super) fn latency(bench: &Bench, table: &mut Table) -> Outcome {
    for (http, answers) in every_combination() {
        let peer = Bench::peer(http, answers)?;
        let mut bridge = Bridge::start(&bench.binary, &peer.place)?;
        let mut direct = Direct::start(&peer.place)?;
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        for round in 0..=bench.count(40) {
            for number in 0..200 {
                let message = echo(number);
                let took = timed(|| bridge.request(&message).map(drop))?;
                // The first round warms both up; it does not count.
                if round > 0 {
                    ours.push(took);
                }
            }
            for number in 0..200 {
                let message = echo(number);
                let took = timed(|| direct.call(&message).map(drop))?;
                if round > 0 {
                    theirs.push(took);
                }
            }
        }
        bridge.end()?;
        for percent in [50, 99] {
            let (us, them) = (ours.percentile(percent), theirs.percentile(percent));
            let more = added(us, them);
            table.row(
                &format!("b  a call, p{percent}, {}, {}", http.name(), answers.name()),
                ms(us),
                ms(them),
                format!("{more:+.3} ms"),
                if percent == 50 { Aim::At("at most +0.10 ms", more <= 0.10) } else { Aim::None },
            );
        }
    }
    Ok(())
}

/// (c) The processor time of the bridge for one call, and that of the direct client (with ours of measuring it).
pub(super) fn cpu(bench: &Bench, table: &mut Table) -> Outcome {
    for (http, answers) in every_combination() {
        let peer = Bench::peer(http, answers)?;
        let mut bridge = Bridge::start(&bench.binary, &peer.place)?;
        let mut direct = Direct::start(&peer.place)?;
        let calls = bench.count(10_000);
        let before = bridge.cpu()?;
        for number in 0..calls {
            bridge.request(&echo(number))?;
        }
        let ours = per_call(bridge.cpu()?.saturating_sub(before), calls);
        let before = cpu_of("self")?;
        for number in 0..calls {
            direct.call(&echo(number))?;
        }
        let theirs = per_call(cpu_of("self")?.saturating_sub(before), calls);
        bridge.end()?;
        table.row(
            &format!("c  processor time a call, {}, {}", http.name(), answers.name()),
            ms(ours),
            ms(theirs),
            format!("{:.2} x", ratio(ours.as_secs_f64(), theirs.as_secs_f64())),
            Aim::At("at most 0.15 ms", ours <= Duration::from_micros(150)),
        );
    }
    Ok(())
}

/// (e) The same number of calls by both, in turn, three times; the median of each.
pub(super) fn throughput(bench: &Bench, table: &mut Table) -> Outcome {
    for http in Http::BOTH {
        let peer = Bench::peer(http, Answers::Json)?;
        let direct = Direct::start(&peer.place)?;
        for in_flight in [1, 16, 256] {
            let total = bench.count(10_000);
            let mut bridge = Bridge::start(&bench.binary, &peer.place)?;
            // Opens the connections that so many in flight need.
            many(&mut bridge, in_flight * 2, in_flight)?;
            let (mut ours, mut theirs) = (Samples::default(), Samples::default());
            for _round in 0..3 {
                ours.push(many(&mut bridge, total, in_flight)?);
                theirs.push(direct.many(total, in_flight, echo)?);
            }
            bridge.end()?;
            let rate =
                |samples: &Samples| f64::from(u32::try_from(total).unwrap_or(0)) / samples.median().as_secs_f64();
            let (us, them) = (rate(&ours), rate(&theirs));
            table.row(
                &format!("e  calls a second, {in_flight} in flight, {}", http.name()),
                format!("{us:.0}"),
                format!("{them:.0}"),
                format!("{:.2} x", ratio(us, them)),
                Aim::None,
            );
        }
    }
    Ok(())
}

/// (g) How many handshakes the server saw for a session with 1,000 calls one after another.
pub(super) fn handshakes(bench: &Bench, table: &mut Table) -> Outcome {
    for (http, answers) in every_combination() {
        let mut peer = Bench::peer(http, answers)?;
        let mut bridge = Bridge::start(&bench.binary, &peer.place)?;
        for number in 0..1000 {
            bridge.request(&echo(number))?;
        }
        bridge.end()?;
        let seen = peer.handshakes()?;
        // On HTTP/1.1 the GET stream holds one connection for itself.
        let (aim, most) = if http == Http::One { ("1, and 1 for the stream", 2) } else { ("1", 1) };
        table.row(
            &format!("g  handshakes, 1,000 calls, {}, {}", http.name(), answers.name()),
            seen.to_string(),
            String::new(),
            String::new(),
            Aim::At(aim, seen <= most),
        );
    }
    Ok(())
}

/// Sends so many calls with so many in flight, and waits for every answer.
fn many(bridge: &mut Bridge, total: usize, in_flight: usize) -> Outcome<Duration> {
    timed(|| {
        for number in 0..in_flight.min(total) {
            bridge.send(&echo(number))?;
        }
        for number in in_flight..total + in_flight {
            bridge.receive()?;
            if number < total {
                bridge.send(&echo(number))?;
            }
        }
        Ok(())
    })
}

fn timed(run: impl FnOnce() -> Outcome) -> Outcome<Duration> {
    let start = Instant::now();
    run()?;
    Ok(start.elapsed())
}

/// A small call, as most are.
pub(super) fn echo(id: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"hello"}}}}}}"#
    )
}

fn per_call(total: Duration, calls: usize) -> Duration {
    total / u32::try_from(calls.max(1)).unwrap_or(u32::MAX)
}

fn every_combination() -> impl Iterator<Item = (Http, Answers)> {
    Http::BOTH.into_iter().flat_map(|http| Answers::BOTH.map(|answers| (http, answers)))
}
