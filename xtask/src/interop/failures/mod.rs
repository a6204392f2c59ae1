//! The failure table: every way in which mutual TLS fails, with servers of every make. Which code is told, and whose
//! side it is on, must not depend on who wrote the server.

mod alerts;
mod cast;
mod plan;
mod servers;
mod table;

use std::rc::Rc;

use super::{Case, Stage};
use cast::Cast;
use plan::Plan;
use servers::Kind;
use table::Table;

/// A case for each make of server, whose last prints the table; then one for alerts that race with a request.
pub(super) fn cases() -> Vec<Case> {
    let table = Rc::new(Table::default());
    let mut cases: Vec<Case> = servers::ALL
        .iter()
        .map(|kind| {
            let table = table.clone();
            Case::new(format!("failure table: {}", kind.name), move |stage| {
                let table = table.clone();
                Box::pin(async move { rows(stage, kind, &table).await })
            })
        })
        .collect();
    cases.push(Case::new("failure table: the share that is right", move |_| {
        let table = table.clone();
        Box::pin(async move { table.print() })
    }));
    cases.push(Case::new("failure table: no alert is lost", |stage| Box::pin(alerts::thirty_tries(stage))));
    cases
}

/// Plays every row of one make, and claims that all are right.
async fn rows(stage: &Stage, kind: &Kind, table: &Table) {
    let cast = Cast::new(stage);
    let mut plan = Plan::of(stage, kind, &cast);
    (kind.more)(&mut plan);
    let _server = plan.start(kind).await;
    let told = table::told(&stage.binary, plan.rows.iter().map(|row| row.args.clone())).await;
    let wrong = table.enter(kind.name, plan.rows, told);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
