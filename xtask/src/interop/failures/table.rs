//! Plays rows, and keeps and prints what came.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_mtls_testkit::Host;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::plan::{Row, WAIT};

/// What came of all rows so far.
#[derive(Default)]
pub(super) struct Table {
    lines: RefCell<Vec<Line>>,
    rows: RefCell<Share>,
}

/// Rows that differ in nothing but the versions.
#[derive(PartialEq, Eq)]
struct Line {
    server: &'static str,
    failure: String,
    wire: String,
    code: String,
    speaks: Vec<String>,
}

#[derive(Default)]
struct Share {
    right: usize,
    all: usize,
    slowest: Duration,
}

/// What the host was told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) code: String,
    pub(super) side: String,
    pub(super) data: Value,
    message: String,
    took: Duration,
}

/// Starts `connect` with each of these arguments, a few at a time, and takes the answers to `initialize`.
pub(super) async fn told(binary: &Path, tries: impl Iterator<Item = Vec<String>>) -> Vec<Told> {
    let few = Arc::new(Semaphore::new(AT_ONCE));
    let tasks: Vec<_> = tries
        .map(|args| {
            let (few, binary) = (few.clone(), binary.to_owned());
            tokio::spawn(async move {
                let _turn = few.acquire_owned().await;
                let start = Instant::now();
                let mut host = Host::builder(&binary).args(["connect".to_owned()].into_iter().chain(args)).spawn();
                let answer = host.initialize("2025-11-25").await;
                Told::new(&answer, start.elapsed())
            })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        // A host that hears nothing panics with what there is to say.
        told.push(task.await.unwrap_or_else(|e| Told {
            message: super::super::message_of(e.into_panic().as_ref()),
            ..Told::default()
        }));
    }
    told
}

impl Told {
    fn new(answer: &Value, took: Duration) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = &answer["error"];
        let data = error["data"].clone();
        let message = if error.is_null() { "an answer that is no error".to_owned() } else { text(&error["message"]) };
        Self { code: text(&data["code"]), side: text(&data["side"]), data, message, took }
    }

    /// The TLS alert that the server sent.
    pub(super) fn alert(&self) -> Option<&str> {
        self.data["evidence"]["alert"].as_str()
    }

    /// What the server did, as far as it is told.
    fn wire(&self) -> String {
        let evidence = &self.data["evidence"];
        if let Some(alert) = self.alert() {
            return format!("alert {alert}");
        }
        if let Some(status) = evidence["status"].as_u64() {
            return format!("HTTP {status}");
        }
        self.data["why"][0].as_str().unwrap_or("nothing").replace('|', "\\|")
    }
}

impl Table {
    /// Keeps what came, and returns what is wrong with it.
    pub(super) fn enter(&self, server: &'static str, rows: Vec<Row>, told: Vec<Told>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (row, told) in rows.into_iter().zip(told) {
            // Where nothing comes, there is nothing to tell before the time is up.
            let took = told.took.saturating_sub(if told.code == "timed-out" { WAIT } else { Duration::ZERO });
            let right = row.wanted == (told.code.as_str(), told.side.as_str())
                && told.data["source"] == "mcp-mtls"
                && told.data["fix"][0].is_string()
                && took < SOON;
            let mut share = self.rows.borrow_mut();
            share.all += 1;
            share.right += usize::from(right);
            share.slowest = share.slowest.max(took);
            if !right {
                wrong.push(format!(
                    "{server}, {}, {}: {} ({}) wanted, {} ({}) came after {:.1} s: {}; why {}; fix {}",
                    row.speaks,
                    row.failure,
                    row.wanted.0,
                    row.wanted.1,
                    told.code,
                    told.side,
                    told.took.as_secs_f32(),
                    told.message,
                    told.data["why"],
                    told.data["fix"]
                ));
            }
            let code = format!("{} ({}){}", told.code, told.side, if right { "" } else { " WRONG" });
            self.add(Line { server, failure: row.failure, wire: told.wire(), code, speaks: vec![row.speaks] });
        }
        wrong
    }

    fn add(&self, line: Line) {
        let mut lines = self.lines.borrow_mut();
        let key = |line: &Line| (line.server, line.failure.clone(), line.wire.clone(), line.code.clone());
        match lines.iter_mut().find(|other| key(other) == key(&line)) {
            Some(same) => same.speaks.extend(line.speaks),
            None => lines.push(line),
        }
    }

    /// Prints it as Markdown, and the share of rows that is right.
    pub(super) fn print(&self) {
        println!(
            "| server | failure | versions | what the server did | what the host is told |\n|---|---|---|---|---|"
        );
        for Line { server, failure, wire, code, speaks } in self.lines.borrow().iter() {
            println!("| {server} | {failure} | {} | {wire} | {code} |", speaks.join("; "));
        }
        let Share { right, all, slowest } = &*self.rows.borrow();
        println!("failure table: {right} of {all} rows right, the slowest told after {:.1} s", slowest.as_secs_f32());
        assert!(*all > 0, "no row was played: run the makes too, `cargo xtask interop \"failure table\"`");
        assert!(right == all, "rows are wrong");
    }
}

/// How many hosts run at once, on a machine of few cores.
const AT_ONCE: usize = 2;

/// How late a host may be told, the start of the bridge included.
const SOON: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_is_right_with_its_code_its_side_something_to_do_and_in_time() {
        let data = json!({"source": "mcp-mtls", "code": "not-tls", "side": "theirs", "fix": ["Check the port."]});
        let of = |name: &str, value: Value| {
            let mut data = data.clone();
            data[name] = value;
            json!({"error": {"message": "It is not TLS", "data": data}})
        };
        let right = json!({"error": {"message": "It is not TLS", "data": data}});
        assert_eq!(wrong(&right, Duration::ZERO), 0);
        assert_eq!(wrong(&right, SOON), 1);
        assert_eq!(wrong(&of("code", json!("not-plain")), Duration::ZERO), 1);
        assert_eq!(wrong(&of("side", json!("ours")), Duration::ZERO), 1);
        assert_eq!(wrong(&of("fix", json!([])), Duration::ZERO), 1);
        assert_eq!(wrong(&of("source", json!("the server")), Duration::ZERO), 1);
        assert_eq!(wrong(&json!({"result": {}}), Duration::ZERO), 1);
    }

    #[test]
    fn rows_that_differ_in_the_versions_alone_are_one_line() {
        let table = Table::default();
        let told = || Told::new(&json!({"error": {"data": {"code": "not-tls", "side": "theirs"}}}), Duration::ZERO);
        let rows = ["TLS 1.3", "TLS 1.2"].map(row);
        let wrong = table.enter("nginx", rows.into(), vec![told(), told()]);
        assert_eq!((wrong.len(), table.lines.borrow().len()), (2, 1));
        assert_eq!(table.lines.borrow()[0].speaks, ["TLS 1.3", "TLS 1.2"]);
    }

    #[test]
    #[should_panic(expected = "no row was played")]
    fn without_rows_there_is_no_share() {
        Table::default().print();
    }

    fn wrong(answer: &Value, took: Duration) -> usize {
        Table::default().enter("nginx", vec![row("TLS 1.3")], vec![Told::new(answer, took)]).len()
    }

    fn row(speaks: &str) -> Row {
        let (failure, speaks) = ("HTTP on the port".to_owned(), speaks.to_owned());
        Row { failure, speaks, args: Vec::new(), wanted: ("not-tls", "theirs") }
    }
}
