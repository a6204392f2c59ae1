//! Under TLS 1.3 the alert about a client certificate comes when the client has sent its first request already. It
//! must be told all the same, each time.

use super::cast::{Cast, REFUSED};
use super::plan::{Plan, REQUIRED, Site};
use super::servers::{self, Does};
use super::table::told;
use crate::interop::Stage;

/// Refuses the same clients so many times.
pub(super) async fn thirty_tries(stage: &Stage) {
    let mut lost = Vec::new();
    for kind in servers::ALL.iter().filter(|kind| kind.does(Does::Alerts)) {
        let cast = Cast::new(stage);
        let mut plan = Plan::none(stage, &cast);
        for tls in ["1.3", "1.2"] {
            for http2 in [false, true] {
                let site = plan.site(Site { tls: Some(tls), http2, ..Site::new(&cast) });
                plan.row("no certificate", &site, plan.without(&site), REQUIRED);
                plan.row("revoked", &site, plan.with(&site, &cast.revoked), REFUSED);
            }
        }
        let _server = plan.start(kind).await;
        for row in &plan.rows {
            let tries = told(&stage.binary, std::iter::repeat_n(row.args.clone(), TRIES)).await;
            let right = |code: &str, side: &str| row.wanted == (code, side);
            let kept = tries.iter().filter(|told| right(&told.code, &told.side) && told.alert().is_some()).count();
            let line =
                format!("{}, {}, {}: the alert told in {kept} of {TRIES} tries", kind.name, row.speaks, row.failure);
            println!("        {line}");
            if kept != TRIES {
                lost.push(line);
            }
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

const TRIES: usize = 30;
