//! Files with a private key or a passphrase that others can change or read.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use insta::assert_snapshot;
use mcp_mtls_core::config::{Endpoint, Entry, EntrySettings};
use mcp_mtls_core::error::{Code, Result};
use mcp_mtls_testkit::pki::Pki;

use super::refused::told;
use super::{load, text};

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

/// The words with `[owner]` for whoever runs the test.
fn anonymous(told: &str) -> String {
    told.replace(&format!("the user {}", rustix::process::geteuid().as_raw()), "the user [owner]")
}

/// Whether the superuser runs the test, with its files in memory: no note is made of those.
#[cfg(target_os = "linux")]
fn in_a_container(folder: &Path) -> bool {
    let system = rustix::fs::statfs(folder).expect("a file system");
    rustix::process::geteuid().is_root() && system.f_type == 0x0102_1994
}

#[cfg(not(target_os = "linux"))]
fn in_a_container(_folder: &Path) -> bool {
    false
}

#[test]
fn a_key_that_others_can_write_is_refused() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let (cert, key) = (text(&alice.cert_file), text(&alice.key_file));
    chmod(&alice.key_file, 0o664);
    assert_snapshot!(anonymous(&told(&pki, &load(cert, Some(key)).unwrap_err())), @"
    secret-exposed: Others can change the file of the private key
    at: [dir]/alice.key
    at: the setting tls.key
    why: Its mode is 0664 and its owner the user [owner]: its group can write it.
    fix: Run chmod 600 '[dir]/alice.key'.
    fix: If others use this machine, have a new private key made: one of them may have put this one there.
    ");
    chmod(&alice.key_file, 0o602);
    let failure = load(cert, Some(key)).unwrap_err();
    let why = anonymous(&failure.facts().why.join(""));
    assert_eq!(why, "Its mode is 0602 and its owner the user [owner]: every user of this machine can write it.");
    chmod(&alice.key_file, 0o600);
    // The certificate is no secret.
    chmod(&alice.cert_file, 0o666);
    assert!(load(cert, Some(key)).unwrap().warnings().is_empty());
}

#[test]
fn so_is_every_other_file_that_holds_one() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let combined = pki.write("combined.pem", alice.combined_pem());
    let locked = pki.write("locked.key", alice.key_encrypted_pem("hunter2", 10));
    let der = pki.write("key.der", alice.key_pkcs8_der());
    for path in [&combined, &locked, &der] {
        chmod(path, 0o622);
    }
    let code = |identity: Result<_>| identity.map(|_| ()).expect_err("it must be refused").code();
    assert_eq!(code(load(text(&combined), None)), Code::SecretExposed);
    assert_eq!(code(super::unlock(text(&alice.cert_file), Some(text(&locked)), "hunter2")), Code::SecretExposed);
    assert_eq!(code(load(text(&alice.cert_file), Some(text(&der)))), Code::SecretExposed);
}

/// An endpoint whose key comes through a reference.
fn referred(pki: &Pki, key: &str, passphrase: Option<&str>) -> Result<Endpoint> {
    let alice = pki.client("alice");
    let settings = EntrySettings::new("https://corp.example/").identity(&alice.cert_pem, key);
    Entry::new(if let Some(passphrase) = passphrase { settings.passphrase(passphrase) } else { settings }).resolve()
}

#[test]
fn references_to_files_are_judged_alike() {
    let pki = Pki::new();
    let key = pki.write("key", &pki.client("alice").key_pem);
    let passphrase = pki.write("passphrase", "hunter2");
    let reference = |path: &Path| format!("{{file:{}}}", path.display());
    let (key_reference, passphrase_reference) = (reference(&key), reference(&passphrase));
    let resolved = || referred(&pki, &key_reference, Some(&passphrase_reference));
    assert_eq!(resolved().unwrap().warnings, [""; 0]);
    chmod(&key, 0o604);
    chmod(&passphrase, 0o604);
    let warnings = resolved().unwrap().warnings.join("\n").replace(text(pki.dir()), "[dir]");
    if in_a_container(pki.dir()) {
        assert_eq!(warnings, "");
    } else {
        assert_snapshot!(warnings, @"
    Every user of this machine can read the file of the private key: Its mode is 0604. Run chmod go-r '[dir]/key'.
    Every user of this machine can read the file of the passphrase: Its mode is 0604. Run chmod go-r '[dir]/passphrase'.
    ");
    }
    chmod(&passphrase, 0o606);
    assert_snapshot!(anonymous(&told(&pki, &resolved().unwrap_err())), @"
    secret-exposed: Others can change the file of the passphrase
    at: [dir]/passphrase
    at: the setting tls.passphrase
    why: Its mode is 0606 and its owner the user [owner]: every user of this machine can write it.
    fix: Run chmod 600 '[dir]/passphrase'.
    fix: If others use this machine, have a new passphrase made: one of them may have put this one there.
    ");
    chmod(&passphrase, 0o600);
    chmod(&key, 0o620);
    assert_eq!(resolved().unwrap_err().facts().what, "Others can change the file of the private key");
}

#[test]
fn a_folder_in_which_everybody_can_replace_the_key_is_refused_unless_it_is_like_tmp() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let (cert, key) = (text(&alice.cert_file), text(&alice.key_file));
    chmod(pki.dir(), 0o777);
    assert_snapshot!(told(&pki, &load(cert, Some(key)).unwrap_err()), @"
    secret-exposed: Others can replace the file of the private key
    at: [dir]/alice.key
    at: the setting tls.key
    why: On the way to it, the folder [dir] has the mode 0777: every user of this machine can write there.
    fix: Run chmod o-w '[dir]', or move the file.
    ");
    // A link elsewhere does not make it safe, and neither does one there to elsewhere.
    let elsewhere = Pki::new();
    let link = elsewhere.dir().join("link");
    symlink(&alice.key_file, &link).unwrap();
    assert_eq!(load(cert, Some(text(&link))).unwrap_err().code(), Code::SecretExposed);
    let kept = elsewhere.write("kept", &alice.key_pem);
    let link = pki.dir().join("link");
    symlink(&kept, &link).unwrap();
    assert_eq!(load(cert, Some(text(&link))).unwrap_err().code(), Code::SecretExposed);
    for mode in [0o1777, 0o775] {
        chmod(pki.dir(), mode);
        assert!(load(cert, Some(key)).is_ok(), "{mode:o}");
    }
}

#[test]
fn every_folder_on_the_way_to_the_key_is_judged_through_every_link() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let at = |name: &str| pki.dir().join(name);
    for name in ["safe", "safe/inner", "open", "open/inner", "open/inner/most"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    for name in ["safe/key", "open/inner/most/key"] {
        pki.write(name, &alice.key_pem);
        chmod(&at(name), 0o600);
    }
    chmod(&at("open"), 0o777);
    symlink(at("safe/key"), at("open/link")).unwrap();
    symlink("../../open/link", at("safe/inner/link")).unwrap();
    symlink("../safe", at("open/folder")).unwrap();
    symlink("safe/inner", at("detour")).unwrap();
    let code = |name: &str| load(text(&alice.cert_file), Some(text(&at(name)))).map(|_| ()).map_err(|it| it.code());
    for name in [
        "open/inner/most/key",
        "safe/inner/link",
        "open/folder/key",
        "detour/link",
        "safe/../open/inner/most/key",
        "detour/../../open/folder/key",
    ] {
        assert_eq!(code(name), Err(Code::SecretExposed), "{name}");
    }
    assert_eq!(code("safe/key"), Ok(()));
    assert_eq!(code("detour/../key"), Ok(()));
    chmod(&at("open"), 0o1777);
    assert_eq!(code("detour/link"), Ok(()));
    symlink("loop", at("loop")).unwrap();
    assert_eq!(code("loop"), Err(Code::FileUnreadable));
}

#[test]
fn a_key_that_everybody_can_read_is_noted() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let notes = |mode| {
        chmod(&alice.key_file, mode);
        let identity = load(text(&alice.cert_file), Some(text(&alice.key_file))).unwrap();
        let told: Vec<_> = identity.warnings().iter().map(ToString::to_string).collect();
        told.join("\n").replace(text(pki.dir()), "[dir]")
    };
    for mode in [0o600, 0o400, 0o640, 0o440] {
        assert_eq!(notes(mode), "", "{mode:o}");
    }
    if in_a_container(pki.dir()) {
        assert_eq!(notes(0o644), "");
    } else {
        assert_snapshot!(notes(0o644), @"Every user of this machine can read the file of the private key: Its mode is 0644. Run chmod go-r '[dir]/alice.key'.");
    }
}

#[test]
fn a_secret_that_a_cluster_mounts_is_judged_where_the_links_end() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let (data, key) = (pki.dir().join("..2026_11_23"), pki.dir().join("tls.key"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("tls.key"), &alice.key_pem).unwrap();
    symlink("..2026_11_23", pki.dir().join("..data")).unwrap();
    symlink("..data/tls.key", &key).unwrap();
    chmod(pki.dir(), 0o1777);
    chmod(&data.join("tls.key"), 0o400);
    let mounted = || load(text(&alice.cert_file), Some(text(&key)));
    assert!(mounted().unwrap().warnings().is_empty());
    chmod(&data.join("tls.key"), 0o666);
    assert_eq!(mounted().unwrap_err().code(), Code::SecretExposed);
}

/// Container runtimes mount secrets that root owns and everybody can read, in memory.
#[cfg(target_os = "linux")]
#[test]
fn what_root_keeps_in_memory_is_not_noted() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    // Absent from some machines, and closed to some users.
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else { return };
    let key = folder.path().join("key");
    std::fs::write(&key, &alice.key_pem).unwrap();
    chmod(&key, 0o644);
    let identity = load(text(&alice.cert_file), Some(text(&key))).unwrap();
    assert_eq!(identity.warnings().is_empty(), in_a_container(folder.path()));
}
