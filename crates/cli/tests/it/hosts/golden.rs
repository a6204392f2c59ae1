//! The files of every host that is written, before and after.

use super::{Home, WRITTEN, parsed};

#[test]
fn an_entry_is_put_into_every_file_and_taken_out_of_it_again() {
    for host in WRITTEN {
        let home = Home::new();
        let mut story = vec![format!("$ install {} (no file yet)\n", host.host)];
        story.push(home.told(&["install", host.host]));
        story.push(format!("--- {}\n{}\n", host.file, home.without_chance(&home.text(host.file))));
        assert_eq!(home.files(), [host.file], "{}", host.host);
        #[cfg(unix)]
        assert_eq!(super::mode(&home.path(host.file)), 0o600, "{}", host.host);

        let home = Home::new();
        home.has(host.file, host.there);
        story.push(format!("\n$ install {} --dry-run (a file of somebody)\n", host.host));
        let dry = home.told(&["install", host.host, "--dry-run"]);
        assert!(!dry.contains("hunter"), "{dry}");
        assert_eq!(home.files(), [host.file], "{}", host.host);
        assert_eq!(home.text(host.file), host.there);
        story.push(dry);
        story.push(format!("\n$ install {}\n", host.host));
        let told = home.told(&["install", host.host]);
        assert!(!told.contains("hunter"), "{told}");
        story.push(told);
        let text = home.text(host.file);
        story.push(format!("--- {}\n{}\n", host.file, home.without_chance(&text)));
        let backup = format!("{}.mcp-mtls-backup", host.file);
        assert_eq!(home.files(), [host.file, backup.as_str()]);
        assert_eq!(home.text(&backup), host.there);

        std::fs::remove_file(home.path(&backup)).expect("it is there");
        story.push(format!("\n$ install {} (once more)\n", host.host));
        story.push(home.told(&["install", host.host]));
        assert_eq!((home.text(host.file), home.files()), (text, vec![host.file.to_owned()]), "{}", host.host);

        story.push(format!("\n$ uninstall {}\n", host.host));
        story.push(home.told(&["uninstall", host.host]));
        assert_eq!(home.text(host.file), host.there, "{}", host.host);
        story.push(format!("\n$ uninstall {} (once more)\n", host.host));
        story.push(home.told(&["uninstall", host.host]));
        assert_eq!(home.text(host.file), host.there, "{}", host.host);
        insta::assert_snapshot!(host.host, story.concat());
    }
}

#[test]
fn a_project_has_files_of_its_own() {
    for host in WRITTEN {
        let home = Home::new();
        std::fs::create_dir(home.path("work")).expect("a folder");
        let Some(file) = host.project else {
            let refused = home.refused(2, &["install", host.host, "--project=work"]);
            assert!(refused.contains("No file of a project is known"), "{refused}");
            continue;
        };
        let told = home.told(&["install", host.host, "--project=~/work"]);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("absolute paths of this machine"), "{told}");
        assert_eq!(home.files(), [format!("work/{file}")]);
        assert!(home.text(&format!("work/{file}")).contains(home.path("bin/mcp-mtls").to_str().expect("UTF-8")));
        let json = parsed(&home.told(&["uninstall", host.host, "--project=work", "--json"]));
        assert_eq!(json["hosts"][0]["entries"][0]["state"], "removed", "{json}");
        let here = home.command(&["install", host.host, "--project"]).current_dir(home.path("work")).output();
        assert!(here.expect("it runs").status.success());
        assert!(home.text(&format!("work/{file}")).contains("corp"));
    }
}
