//! The pages of hosts, and the hosts that the program knows.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::run::mcp_mtls;

#[test]
fn every_host_has_its_page_and_every_page_its_host() {
    let home = tempfile::tempdir().unwrap();
    let hosts: Value =
        serde_json::from_str(&mcp_mtls(home.path(), &["install", "--list", "--json"]).succeeded()).unwrap();
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hosts"));
    let index = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut wanted = BTreeSet::from(["README.md".to_owned()]);
    for host in hosts["hosts"].as_array().unwrap() {
        let (id, title) = (host["host"].as_str().unwrap(), host["title"].as_str().unwrap());
        let page = std::fs::read_to_string(folder.join(format!("{id}.md"))).unwrap_or_default();
        assert!(page.starts_with(&format!("# {title}\n")), "{id}");
        assert!(page.contains(&format!("    mcp-mtls install {id} corp\n")), "{id}");
        assert!(page.contains("\n## What was run\n"), "{id}");
        assert!(index.contains(&format!("| [{title}]({id}.md) |")), "{id}");
        wanted.insert(format!("{id}.md"));
    }
    let pages = std::fs::read_dir(folder).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap());
    assert_eq!(pages.collect::<BTreeSet<_>>(), wanted);
}
