//! (i) How much later a host sees the progress of a call than a direct client does.

use std::time::Instant;

use super::bridge::Bridge;
use super::direct::Direct;
use super::table::{Aim, Samples, Table, added, ms};
use super::{Answers, Bench, Http};
use crate::programs::Outcome;

/// From the call to its first notification of progress, by ours and by the direct client in turn.
pub(super) fn measure(bench: &Bench, table: &mut Table) -> Outcome {
    for http in Http::BOTH {
        let peer = Bench::peer(http, Answers::Sse)?;
        let mut bridge = Bridge::start(&bench.binary, &peer.place)?;
        let mut direct = Direct::start(&peer.place)?;
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        for number in 0..bench.count(5_000) {
            let message = call(number);
            let start = Instant::now();
            bridge.send(&message)?;
            expect(bridge.line()?)?;
            ours.push(start.elapsed());
            bridge.receive()?;
            let start = Instant::now();
            theirs.push(direct.first(&message, |beginning| expect(beginning).map(|()| start.elapsed()))?);
        }
        bridge.end()?;
        for percent in [50, 99] {
            let (us, them) = (ours.percentile(percent), theirs.percentile(percent));
            let more = added(us, them);
            table.row(
                &format!("i  progress is seen, p{percent}, {}", http.name()),
                ms(us),
                ms(them),
                format!("{more:+.3} ms"),
                if percent == 50 { Aim::At("at most +1 ms", more <= 1.0) } else { Aim::None },
            );
        }
    }
    Ok(())
}

fn call(id: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"progress","arguments":{{"steps":1}},"_meta":{{"progressToken":{id}}}}}}}"#
    )
}

fn expect(text: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(text);
    if text.contains("notifications/progress") { Ok(()) } else { Err(format!("no progress: {text}").into()) }
}
