//! (f) A result of 20 MB: how long it takes, and how much memory at most.

use std::time::Instant;

use super::bridge::Bridge;
use super::direct::Direct;
use super::table::{Aim, Samples, Table, mib, ms, ratio};
use super::{Answers, Bench, Http};
use crate::programs::Outcome;

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Outcome {
    let message = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"big","arguments":{{"bytes":{BYTES}}}}}}}"#
    );
    for http in Http::BOTH {
        for answers in Answers::BOTH {
            let peer = Bench::peer(http, answers)?;
            let mut bridge = Bridge::start(&bench.binary, &peer.place)?;
            let mut direct = Direct::start(&peer.place)?;
            let before = bridge.memory()?.now;
            bridge.forget_peak()?;
            let (mut ours, mut theirs) = (Samples::default(), Samples::default());
            for _round in 0..bench.count(9).max(3) {
                let start = Instant::now();
                whole(bridge.request(&message)?)?;
                ours.push(start.elapsed());
                let start = Instant::now();
                whole(&direct.call(&message)?)?;
                theirs.push(start.elapsed());
            }
            let peak = bridge.memory()?.peak;
            bridge.end()?;

            let (us, them) = (ours.median(), theirs.median());
            let what = format!("{}, {}", http.name(), answers.name());
            let times = ratio(us.as_secs_f64(), them.as_secs_f64());
            table.row(&format!("f  20 MB, time, {what}"), ms(us), ms(them), format!("{times:.2} x"), Aim::None);
            let grown = peak.saturating_sub(before);
            let multiple = mib(grown) / mib(BYTES);
            table.row(
                &format!("f  20 MB, memory, {what}"),
                format!("{:.1} MiB", mib(grown)),
                String::new(),
                format!("{multiple:.2} x message"),
                Aim::At("at most 3 x", multiple <= 3.0),
            );
        }
    }
    Ok(())
}

fn whole(answer: &[u8]) -> Outcome {
    let whole = answer.len() as u64 >= BYTES;
    if whole { Ok(()) } else { Err(format!("only {} bytes came", answer.len()).into()) }
}

const BYTES: u64 = 20_000_000;
