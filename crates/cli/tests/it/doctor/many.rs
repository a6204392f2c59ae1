//! Without a name every entry is examined, at the same time.

use std::time::{Duration, Instant};

use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::Pki;
use tokio::net::TcpListener;

use super::{config, doctor, entry};

#[tokio::test]
async fn ten_slow_entries_take_as_long_as_one() {
    let pki = Pki::new();
    let client = pki.client("alice");
    // It accepts, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/mcp", silent.local_addr().unwrap().port());
    let entries: String = (0..10)
        .map(|number| {
            entry(&pki, &format!("e{number}"), &url, &client).replace("\"url\"", "\"timeout\": 1500, \"url\"")
        })
        .collect();
    let file = config(&pki, &entries);
    let began = Instant::now();
    let found = doctor(&pki, ["--config".as_ref(), file.as_os_str()]).examined().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(found.status, 1);
    let names: Vec<_> = found.answer["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(names, (0..10).map(|number| format!("e{number}")).collect::<Vec<_>>(), "in the order of the file");
}

#[tokio::test]
async fn each_entry_has_its_report_and_one_that_is_broken_makes_the_whole_unhealthy() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::start(&pki).await;
    let well = entry(&pki, "corp", &server.url(), &client);
    let off = r#""old": { "url": "https://localhost:9/", "enabled": false },"#;
    let file = config(&pki, &format!("{well}\n{off}"));
    let found = doctor(&pki, ["--config".as_ref(), file.as_os_str()]).examined().await;
    let entries = found.answer["entries"].as_array().unwrap();
    assert_eq!((found.status, entries.len()), (0, 2));
    assert_eq!((&entries[0]["healthy"], &entries[1]["healthy"]), (&true.into(), &serde_json::Value::Null));

    let broken = r#""odd": { "url": "https://localhost/", "tls": { "crt": "x" } },"#;
    let file = config(&pki, &format!("{broken}\n{off}\n{well}"));
    let (status, told, _) = doctor(&pki, ["--config".as_ref(), file.as_os_str()]).told().await;
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("odd: the step configuration failed (config-unknown-key); see above."), "{told}");
    assert!(told.contains("old: disabled, not examined."), "{told}");
    assert!(told.contains("corp is healthy."), "{told}");
    assert!(told.ends_with("1 of 2 entries are healthy.\n"), "{told}");
    assert_eq!(server.verified().len(), 2);
}

#[tokio::test]
async fn the_files_of_the_user_and_of_the_machine_are_looked_into() {
    let pki = Pki::new();
    let found = doctor(&pki, [] as [&str; 0]).examined().await;
    assert_eq!(found.broken_at("configuration")["code"], "config-unreadable");
    assert_eq!(found.entry()["name"], serde_json::Value::Null);

    let server = McpServer::start(&pki).await;
    let file = config(&pki, &entry(&pki, "corp", &server.url(), &pki.client("alice")));
    std::fs::create_dir(pki.dir().join("mcp-mtls")).unwrap();
    let text = std::fs::read_to_string(file).unwrap().replace(": \"", &format!(": \"{}/", pki.dir().display()));
    let text = text.replace(&format!("{}/https", pki.dir().display()), "https");
    pki.write("mcp-mtls/config.jsonc", text);
    let found = doctor(&pki, [] as [&str; 0]).env("XDG_CONFIG_HOME", pki.dir()).examined().await;
    found.is_well();
    assert_eq!(found.entry()["name"], "corp");

    pki.write("mcp-mtls/config.jsonc", "{ nonsense");
    let found = doctor(&pki, [] as [&str; 0]).env("XDG_CONFIG_HOME", pki.dir()).examined().await;
    assert_eq!(found.broken_at("configuration")["code"], "config-syntax");
}

#[cfg(unix)]
#[tokio::test]
async fn told_to_end_it_ends_with_the_programs_that_it_runs() {
    use std::process::Stdio;
    let pki = Pki::new();
    let script = pki.write("slow", "echo $$ > pid.new && mv pid.new pid && exec sleep 60");
    let exec = format!("sh '{}'", script.display());
    let mut run = doctor(&pki, ["https://localhost:9/", "--exec", &exec]).command;
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = pki.dir().join("pid");
    let started = async {
        loop {
            match std::fs::read_to_string(&pid) {
                Ok(text) => return text.trim().parse::<i32>().unwrap(),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let program = tokio::time::timeout(Duration::from_secs(10), started).await.expect("the program starts");
    let began = Instant::now();
    let signalled = rustix::process::Pid::from_raw(i32::try_from(run.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(signalled, rustix::process::Signal::TERM).unwrap();
    let output = run.wait_with_output().await.unwrap();
    // It would go on for the 5 s that a program has.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("code: stopped"), "{told}");
    // Whoever adopts it may leave it unburied.
    let gone = || std::fs::read_to_string(format!("/proc/{program}/stat")).map_or(true, |stat| stat.contains(") Z "));
    let ended = async {
        while !gone() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the program outlived it");
}
