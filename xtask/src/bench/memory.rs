//! (d) Memory at the start and after many calls, and (h) the size of the binary.

use super::bridge::{Bridge, Memory};
use super::calls::echo;
use super::table::{Aim, Table, mib};
use super::{Answers, Bench, Http};
use crate::programs::Outcome;

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Outcome {
    for http in Http::BOTH {
        let peer = Bench::peer(http, Answers::Json)?;
        let mut bridge = Bridge::start(&bench.binary, &peer.place)?;
        let start = bridge.memory()?;
        calls(&mut bridge, 1000)?;
        let after = bridge.memory()?;
        calls(&mut bridge, 4000)?;
        let late = bridge.memory()?;
        bridge.end()?;
        let mut row = |what: &str, bytes: u64, compared: String, aim: Aim| {
            let what = format!("d  memory {what}, {}", http.name());
            table.row(&what, format!("{:.2} MiB", mib(bytes)), String::new(), compared, aim);
        };
        let own = |memory: &Memory| format!("{:.2} MiB its own", mib(memory.own));
        row("at start", start.now, own(&start), small(start.now));
        row("after 1,000 calls", after.now, own(&after), small(after.now));
        row("at most, in 5,000 calls", late.peak, String::new(), small(late.peak));
        // The first calls fill the buffers that the later ones use; what grows after them never stops.
        let grown = late.now.saturating_sub(after.now);
        row("after 5,000 calls", late.now, format!("{:+.2} MiB", mib(grown)), Aim::At("no growth", grown <= NOISE));
    }
    Ok(())
}

pub(super) fn size(bench: &Bench, table: &mut Table) -> Outcome {
    let size = std::fs::metadata(&bench.binary)?.len();
    table.row(
        "h  size of the binary",
        format!("{:.2} MiB", mib(size)),
        String::new(),
        String::new(),
        Aim::At("at most 10 MiB", size <= 10 << 20),
    );
    Ok(())
}

fn small(bytes: u64) -> Aim {
    Aim::At("at most 8 MiB", bytes <= 8 << 20)
}

fn calls(bridge: &mut Bridge, count: usize) -> Outcome {
    for number in 0..count {
        bridge.request(&echo(number))?;
    }
    Ok(())
}

/// Growth over 4,000 calls that is no growth: a few pages that the allocator keeps.
const NOISE: u64 = 64 << 10;
