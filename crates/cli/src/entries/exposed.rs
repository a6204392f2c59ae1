//! Credentials that stand in a file as they are, and who reads them there.

use std::path::Path;

use mcp_mtls_core::config::{Draft, Value};
use mcp_mtls_core::error::plain as plain_words;

use super::preview;

/// Values in the entry that look like credentials, which people rarely mean to have in a file.
pub(super) fn literal_credentials(draft: &Draft) -> Vec<String> {
    let Value::Map(keys) = &draft.entry else { return Vec::new() };
    let value = |name: &str| keys.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let text = |name: &str| match value(name) {
        Some(Value::Text(text)) => text.expose(),
        _ => "",
    };
    let mut found = Vec::new();
    if let Some(Value::Map(headers)) = value("headers") {
        let literal = |value: &Value| matches!(value, Value::Text(text) if !preview::refers(text.expose()));
        let headers = headers.iter().filter(|(name, value)| literal(value) && is_of_credential(name));
        found.extend(headers.map(|(name, _)| format!("the value of {name}")));
    }
    let query = text("url").split_once('?').map_or("", |(_, query)| query);
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.filter(|(name, value)| is_of_credential(name) && !value.is_empty() && !preview::refers(value));
    found.extend(query.map(|(name, _)| format!("the value of {} in the URL", plain_words(name))));
    let user = text("proxy").split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':')).map_or("", |(_, password)| password);
    if !password.is_empty() && !preview::refers(password) {
        found.push("the password of the proxy".to_owned());
    }
    found.into_iter().map(|what| format!("{what} stands in the file itself; {{file:}} or {{env:}} is safer")).collect()
}

/// Whether what has this name looks like a credential.
pub(super) fn is_of_credential(name: &str) -> bool {
    let name = name.to_lowercase();
    ["auth", "token", "key", "secret", "cookie", "password", "session", "signature"]
        .into_iter()
        .any(|word| name.contains(word))
}

/// That others may read a file, and how that ends.
#[cfg(unix)]
pub(super) fn read_by_others(file: &Path) -> Option<String> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().ok()?.permissions()) & 0o777;
    let path = file.display().to_string();
    let told = || format!("others can read {path} (mode {mode:04o}): chmod 600 {}", crate::render::argument(&path));
    (mode & 0o077 != 0).then(told)
}

#[cfg(not(unix))]
pub(super) fn read_by_others(_: &Path) -> Option<String> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_closes_a_file_survives_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my config.jsonc");
        std::fs::write(&file, "{}").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode;
        std::fs::set_permissions(&file, mode(0o644)).unwrap();
        let told = read_by_others(&file).unwrap();
        assert!(told.ends_with(&format!(" (mode 0644): chmod 600 '{}'", file.display())), "{told}");
        std::fs::set_permissions(&file, mode(0o600)).unwrap();
        assert_eq!(read_by_others(&file), None);
    }
}
