//! What trust covers, and how it is shown to whoever is asked.

use serde_json::json;

use super::Stage;

const UNTRUSTED: &str = "project-not-trusted";

impl Stage {
    /// The clone's entry, with this in its headers.
    fn with_header(&self, value: &str) {
        let mut entry = self.entry();
        entry["headers"] = json!({ "X-A": value });
        self.corp("clone/opencode.json", &entry);
    }

    /// What is asked.
    fn asked(&self) -> String {
        let outcome = self.run(&["trust", "--yes"]);
        let shown = outcome.stderr.clone();
        outcome.succeeded();
        shown
    }

    async fn changed(&self, how: &str) {
        let why = self.refused(UNTRUSTED).await["why"].to_string();
        assert!(why.contains(how), "{why}");
    }
}

#[tokio::test]
async fn where_it_goes_and_what_it_runs_must_be_written_out() {
    let stage = Stage::new().await;
    for (setting, value) in [
        ("url", json!("{file:./endpoint}")),
        ("url", json!("https://localhost:{env:PORT}/mcp")),
        ("proxy", json!("${PROXY}")),
        ("tls.serverName", json!("{command:cat ./name}")),
        ("tls.exec", json!(["sh", "{file:./script}"])),
        ("tls.pkcs11Module", json!("{env:PWD}/x.so")),
        ("tls.cert", json!("{file:./cert}")),
        ("tls.ca", json!("{file:./ca}")),
    ] {
        let mut entry = stage.entry();
        match setting.strip_prefix("tls.") {
            Some(key) => entry["tls"][key] = value,
            None => entry[setting] = value,
        }
        stage.corp("clone/opencode.json", &entry);
        let told = stage.run(&["trust", "--yes"]).failed(1);
        let place = format!("opencode.json:1, mcp.corp.{setting}");
        assert!(told.contains("A project's own entry has a reference") && told.contains(&place), "{told}");
        stage.refused(UNTRUSTED).await;
    }
}

#[tokio::test]
async fn a_file_that_gives_a_value_is_covered() {
    let stage = Stage::new().await;
    let outside = stage.home().join("outside");
    stage.file("outside", "1");
    stage.file("clone/build-id", "1");
    stage.with_header(&format!("{{file:./build-id}} {{file:{}}}", outside.display()));
    let shown = stage.asked();
    assert!(shown.contains("/clone/build-id\n") && shown.contains("/outside\n"), "{shown}");
    assert!(!shown.contains("What these programs"), "{shown}");
    stage.is_used().await;
    // It is the user's.
    stage.file("outside", "2");
    stage.is_used().await;
    stage.file("clone/build-id", "2");
    stage.changed("build-id has changed").await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_leads_elsewhere_is_a_change() {
    use std::os::unix::fs::symlink;

    for (header, name, before, after) in [
        ("{command:./tool data}", "tool", "/bin/cat", "/bin/sh"),
        ("{file:./build-id}", "build-id", "../one", "../two"),
        ("{file:FOLDER/../link}", "../link", "one", "two"),
    ] {
        let stage = Stage::new().await;
        for path in ["one", "two", "clone/data"] {
            stage.file(path, "same");
        }
        let link = stage.clone().join(name);
        symlink(before, &link).expect("a link");
        stage.with_header(&header.replace("FOLDER", &stage.clone().display().to_string()));
        let shown = stage.asked();
        let target = link.canonicalize().expect("it is there");
        assert!(shown.contains(&format!("{name} is {}\n", target.display())), "{shown}");
        stage.is_used().await;
        std::fs::remove_file(&link).expect("it is there");
        symlink(after, &link).expect("a link");
        stage.changed("leads elsewhere").await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn so_is_one_to_another_certificate() {
    let stage = Stage::new().await;
    let link = stage.clone().join("cert.pem");
    std::os::unix::fs::symlink(&stage.client.cert_file, &link).expect("a link");
    let mut entry = stage.entry();
    entry["tls"]["cert"] = json!(link);
    stage.corp("clone/opencode.json", &entry);
    stage.asked();
    stage.is_used().await;
    // A renewal is none.
    let text = std::fs::read_to_string(&stage.client.cert_file).expect("it is there");
    std::fs::write(&stage.client.cert_file, format!("{text}\n")).expect("a file");
    stage.is_used().await;
    std::fs::remove_file(&link).expect("it is there");
    std::os::unix::fs::symlink(stage.pki.client("bob").cert_file, &link).expect("a link");
    stage.changed("cert.pem leads elsewhere").await;
}

#[cfg(unix)]
#[tokio::test]
async fn all_in_a_folder_that_a_program_is_given_is_covered() {
    let stage = Stage::new().await;
    stage.file("clone/tool/main/x.py", "1");
    stage.file("clone/lib.py", "1");
    std::os::unix::fs::symlink("../lib.py", stage.clone().join("tool/lib.py")).expect("a link");
    stage.with_header("{command:ls -d ./tool}");
    let shown = stage.asked();
    assert!(shown.ends_with("What these programs read or start themselves is not covered.\n"), "{shown}");
    stage.is_used().await;
    for path in ["clone/tool/main/x.py", "clone/lib.py", "clone/tool/new.py"] {
        stage.file(path, "2");
        stage.changed("clone/tool has changed").await;
        stage.asked();
        stage.is_used().await;
    }
    for at in 0..1000 {
        stage.file(&format!("clone/tool/{at}"), "");
    }
    let told = stage.run(&["trust", "--yes"]).failed(1);
    assert!(told.contains("more than 1000 files") && told.contains("clone/tool"), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_is_found_in_the_project_is_covered() {
    let stage = Stage::new().await;
    stage.file("clone/bin/fetch-it", "");
    stage.with_header("{command:fetch-it}");
    for path in ["bin".to_owned(), stage.clone().join("bin").display().to_string()] {
        let output = stage.command(&["trust", "--yes"]).env("PATH", path).output().expect("it runs");
        let shown = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(output.status.success() && shown.contains("clone/bin/fetch-it\n"), "{shown}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn no_name_can_drive_the_terminal_or_look_like_other_text() {
    let stage = Stage::new().await;
    let name = "x\u{1b}[2J\u{202e}\nIt is safe: is y";
    let folder = stage.clone().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), "").expect("a file");
    let mut entry = stage.entry();
    entry["headers"] = json!({ "X-A": format!("{{command:cat './{name}'}}") });
    let text = json!({ "mcp": { "corp": entry, name: entry } }).to_string();
    std::fs::write(folder.join("opencode.json"), text).expect("a file");
    let run = |arguments: &[&str]| {
        let output = stage.command(arguments).current_dir(&folder).output().expect("it runs");
        let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8")).concat();
        assert!(!told.contains(['\u{1b}', '\u{202e}']) && !told.contains("\nIt is safe"), "{told}");
        assert!(told.contains("It is safe"), "{told}");
        told
    };
    let told = run(&["trust", "--yes"]);
    // In quotation marks, since there are blanks in it.
    assert!(told.contains(r#"It is safe: is y/opencode.json""#), "{told}");
    run(&["trust", "--list"]);
    run(&["trust", "--remove"]);
    run(&["trust", "--remove"]);
    std::fs::write(folder.join("opencode.json"), "{}").expect("a file");
    run(&["trust"]);
}
