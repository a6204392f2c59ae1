#[cfg(unix)]
use std::fs::Permissions;
use std::time::{Duration, SystemTime};

use super::*;

#[test]
fn a_new_file_is_its_owners_alone_and_so_is_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/config.jsonc");
    let target = Target::read(&path).unwrap();
    assert!(!target.exists() && target.text().unwrap().is_empty());
    assert_eq!(target.replace("{}").unwrap(), None);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
    #[cfg(unix)]
    {
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&folder.path().join("a/b")), 0o700);
    }
    assert_eq!(names(&folder.path().join("a/b")), ["config.jsonc"]);
}

#[cfg(unix)]
#[test]
fn a_file_keeps_its_mode_and_what_it_was_is_kept_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    for kept in [0o600, 0o640, 0o644, 0o400] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.jsonc");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
        let backup = Target::read(&path).unwrap().replace("new").unwrap().unwrap();
        assert_eq!(backup, folder.path().join("config.jsonc.mcp-mtls-backup"));
        assert_eq!((fs::read_to_string(&path).unwrap(), mode(&path)), ("new".to_owned(), kept));
        assert_eq!((fs::read_to_string(&backup).unwrap(), mode(&backup)), ("old".to_owned(), kept));
        Target::read(&path).unwrap().replace("newer").unwrap();
        assert_eq!(fs::read_to_string(&backup).unwrap(), "new");
        assert_eq!(names(folder.path()), ["config.jsonc", "config.jsonc.mcp-mtls-backup"]);
    }
}

#[test]
fn a_backup_from_before_us_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let again = |text: &str| Target::of_host(&path).unwrap().replace_again(text).unwrap().map(|backup| backup.is_new);
    assert_eq!(again("new"), None);
    assert_eq!(again("newer"), Some(true));
    assert_eq!(again("newest"), Some(false));
    let backup = Target::of_host(&path).unwrap().replace("last").unwrap().unwrap();
    assert_eq!(fs::read_to_string(&backup).unwrap(), "newest");
    assert_eq!(again("after that"), Some(false));
    assert_eq!(fs::read_to_string(&backup).unwrap(), "newest");
}

#[cfg(unix)]
#[test]
fn what_others_keep_beside_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.jsonc");
    let (theirs, ours) = (folder.path().join("config.jsonc.backup"), backup_of(&path));
    fs::write(&path, "old").unwrap();
    fs::write(&theirs, "precious").unwrap();
    std::os::unix::fs::symlink(&theirs, &ours).unwrap();
    let failure = Target::read(&path).unwrap().replace("new").unwrap_err();
    assert_eq!(failure.facts().place, [ours.display().to_string()]);
    assert_eq!(
        (fs::read_to_string(&path).unwrap(), fs::read_to_string(&theirs).unwrap()),
        ("old".into(), "precious".into())
    );
    fs::remove_file(&ours).unwrap();
    Target::read(&path).unwrap().replace("new").unwrap();
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "precious");
}

#[cfg(unix)]
#[test]
fn links_stay_and_what_they_lead_to_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (dotfiles, home) = (folder.path().join("dotfiles"), folder.path().join("home"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&dotfiles).unwrap();
    std::os::unix::fs::symlink("../dotfiles/link", home.join("config.jsonc")).unwrap();
    std::os::unix::fs::symlink("real.jsonc", dotfiles.join("link")).unwrap();
    // Also to a file that is not there yet.
    for text in ["one", "two"] {
        Target::read(&home.join("config.jsonc")).unwrap().replace(text).unwrap();
        assert!(home.join("config.jsonc").is_symlink() && dotfiles.join("link").is_symlink());
        assert_eq!(fs::read_to_string(dotfiles.join("real.jsonc")).unwrap(), text);
    }
    assert_eq!(names(&home), ["config.jsonc"]);
    assert_eq!(names(&dotfiles), ["link", "real.jsonc", "real.jsonc.mcp-mtls-backup"]);
    std::os::unix::fs::symlink("round", home.join("round")).unwrap();
    let failure = Target::of_host(&home.join("round")).err().unwrap();
    assert_eq!(failure.facts().what, "The file of the host is a link that leads to no file");
}

#[test]
fn what_others_wrote_meanwhile_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.jsonc");
    let (first, second) = (Target::read(&path).unwrap(), Target::read(&path).unwrap());
    first.replace("first").unwrap();
    assert_eq!(second.replace("second").unwrap_err().code(), Code::FileUnwritable);
    let (first, second) = (Target::read(&path).unwrap(), Target::read(&path).unwrap());
    first.replace("third").unwrap();
    assert_eq!(second.replace("fourth").unwrap_err().code(), Code::FileUnwritable);
    let target = Target::read(&path).unwrap();
    let other = File::open(&path).unwrap();
    other.lock().unwrap();
    assert_eq!(target.replace("fifth").unwrap_err().code(), Code::FileUnwritable);
    other.unlock().unwrap();
    let target = Target::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(target.replace("sixth").unwrap_err().code(), Code::FileUnwritable);
    assert_eq!(names(folder.path()), ["config.jsonc.mcp-mtls-backup"]);
    assert_eq!(fs::read_to_string(folder.path().join("config.jsonc.mcp-mtls-backup")).unwrap(), "first");
}

#[test]
fn where_nothing_can_be_written_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let failure = Target::read(&folder.path().join("file/config.jsonc")).and_then(|target| target.replace("{}"));
    assert!(matches!(failure.unwrap_err().code(), Code::ConfigUnreadable | Code::FileUnwritable));
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn what_a_run_that_was_killed_has_left_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.jsonc");
    let put = |name: &str, seconds| {
        fs::write(folder.path().join(name), "old").unwrap();
        let file = File::options().write(true).open(folder.path().join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    };
    let others =
        [".mcp-mtls-0123456789.new", ".mcp-mtls-backup", ".mcp-mtls-my-own-file.new", "x.mcp-mtls-0123456789ab.new"];
    for name in others {
        put(name, 90);
    }
    put(".mcp-mtls-0123456789ab.new", 90);
    put(".mcp-mtls-ba9876543210.new", 30);
    fs::create_dir(folder.path().join(".mcp-mtls-folder012345.new")).unwrap();
    Target::read(&path).unwrap().replace("{}").unwrap();
    let mut left: Vec<_> = others.map(str::to_owned).to_vec();
    left.extend([".mcp-mtls-ba9876543210.new", ".mcp-mtls-folder012345.new", "config.jsonc"].map(str::to_owned));
    left.sort();
    assert_eq!(names(folder.path()), left);
}

#[test]
fn a_full_disk_is_no_matter_of_permissions() {
    let told = |kind: io::ErrorKind| remedy(&kind.into(), || "Let your user write it.".to_owned());
    assert_eq!(told(io::ErrorKind::StorageFull), "Make room on the disk.");
    assert_eq!(told(io::ErrorKind::QuotaExceeded), "Make room on the disk.");
    assert!(told(io::ErrorKind::ResourceBusy).contains("where it comes from"));
    assert_eq!(told(io::ErrorKind::PermissionDenied), "Let your user write it.");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o7777
}
