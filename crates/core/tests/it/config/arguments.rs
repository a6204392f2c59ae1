//! What may stand in an argument list, and what may not.

use insta::assert_snapshot;
use mcp_mtls_core::config::{Entry, EntrySettings, Header, find};
use mcp_mtls_core::secret::Secret;

use super::{Folder, file, headers, refused_flags, told, with};

fn header(text: &str) -> EntrySettings {
    let mut flags = EntrySettings::new("");
    let Ok(header) = text.parse::<Header>();
    flags.headers = Some(vec![header]);
    flags
}

fn proxy(text: &str) -> EntrySettings {
    let mut flags = EntrySettings::new("");
    flags.proxy = Some(Secret::new(text.to_owned()));
    flags
}

#[test]
fn credentials_in_headers_are_refused() {
    assert_snapshot!(refused_flags(header("Authorization: Bearer hunter2")), @"
    secret-in-arguments: The value of the header `Authorization` stands in the argument list
    at: -H Authorization on the command line
    why: Every process on this machine can read it there.
    fix: Write -H 'Authorization: {env:NAME}' or -H 'Authorization: {file:PATH}', or use a configuration file.
    ");
    for name in
        ["authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth", "PRIVATE-TOKEN", "x-jwt", "X-Secret"]
    {
        let told = refused_flags(header(&format!("{name}: hunter2")));
        assert!(told.starts_with("secret-in-arguments") && !told.contains("hunter2"), "{told}");
    }
    for text in ["Authorization: Bearer hunter2 {env:PATH}", "Authorization: Bearer hunter2{env:PATH}"] {
        assert!(refused_flags(header(text)).starts_with("secret-in-arguments"), "{text}");
    }
}

#[test]
fn references_and_harmless_headers_are_taken() {
    let path = std::env::var("PATH").expect("a PATH");
    for (written, sent) in [
        ("Authorization: Bearer {env:PATH}", format!("Bearer {path}")),
        ("Authorization:{env:PATH}", path.clone()),
        ("X-Api-Key: ${PATH}", path.clone()),
        ("X-Team: blue: and green", "blue: and green".to_owned()),
        ("X-Empty:", String::new()),
    ] {
        let endpoint = Entry::from_flags("https://corp.example/mcp", header(written)).resolve().expect(written);
        assert_eq!(headers(&endpoint)[0].1, sent, "{written}");
    }
}

#[test]
fn a_header_that_is_given_twice_is_refused_before_anything_is_written() {
    let mut flags = header("X-A: 1");
    flags.headers.as_mut().expect("a header").extend(header("x-a: 2").headers.expect("a header"));
    let entry = Entry::from_flags("https://corp.example/mcp", flags.clone());
    assert_eq!(told(&entry.draft().unwrap_err()), told(&entry.resolve().unwrap_err()));
    assert_snapshot!(refused_flags(flags.clone()), @"
    usage-invalid: The header `x-a` is given twice
    at: -H x-a on the command line
    fix: Keep one of them.
    ");
    let folder = Folder::new();
    let file = folder.write("config.jsonc", with(r#""headers": { "X-A": "0" }"#));
    let over = find("corp", Some(&file)).expect("an entry");
    over.clone().overridden(header("x-A: 1")).resolve().expect("one flag replaces what the file has");
    assert!(over.overridden(flags).resolve().is_err());
}

#[test]
fn what_is_wrong_with_flags_is_told_in_their_words() {
    let mut flags = EntrySettings::new("");
    flags.tls.get_or_insert_default().min_version = Some("1.1".to_owned());
    assert_snapshot!(refused_flags(flags), @"
    config-invalid-value: The value of `minVersion` is not known here
    at: --min-version on the command line
    why: It is “1.1”.
    fix: Write --min-version 1.2 or --min-version 1.3, or remove the setting.
    ");
    let mut flags = EntrySettings::new("");
    flags.tls.get_or_insert_default().key = Some(Secret::new("me.key".to_owned()));
    assert_snapshot!(refused_flags(flags), @"
    config-conflict: There is a key without a certificate
    at: --key on the command line
    fix: Add the certificate with --cert FILE.
    ");
}

#[test]
fn a_header_without_a_colon_is_not_repeated() {
    assert_snapshot!(refused_flags(header("X-Api-Key=hunter2")), @"
    config-invalid-value: A header is not written as a name and a value
    at: -H on the command line
    why: The name is letters, digits and hyphens, and a colon follows it.
    fix: Write -H 'NAME: VALUE'.
    ");
    for text in
        ["hunter2", "Bearer hunter2", "X-Api-Key=hunter2 https://x", "Authorization Bearer hunter2: x", ": hunter2"]
    {
        let told = refused_flags(header(text));
        assert!(told.starts_with("config-invalid-value") && !told.contains("hunter2"), "{told}");
        assert!(!format!("{:?}", header(text)).contains("hunter2"), "{text}");
    }
}

#[test]
fn a_header_that_is_not_used_is_a_warning() {
    let endpoint = Entry::from_flags("https://corp.example/mcp", header("Accept: text/html")).resolve().unwrap();
    assert!(endpoint.headers.is_empty());
    assert_snapshot!(endpoint.warnings.join("\n"), @"-H Accept on the command line: not used, since the MCP transport sets this header");
}

#[test]
fn private_keys_are_refused() {
    let key = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----";
    assert_snapshot!(refused_flags(EntrySettings::new("").identity("me.pem", key)), @"
    secret-in-arguments: A private key stands in the argument list
    at: --key on the command line
    why: Every process on this machine can read it there.
    fix: Write --key FILE, or --key '{env:NAME}'.
    ");
    assert_snapshot!(refused_flags(EntrySettings::new("").identity(key, "me.key")), @"
    secret-in-arguments: A private key stands in the argument list
    at: --cert on the command line
    why: Every process on this machine can read it there.
    fix: Write --cert FILE, or --cert '{env:NAME}'.
    ");
    assert!(refused_flags(EntrySettings::new("").ca(key)).starts_with("secret-in-arguments"));
}

#[test]
fn passwords_of_proxies_are_refused() {
    assert_snapshot!(refused_flags(proxy("http://alice:hunter2@proxy.example:3128")), @"
    secret-in-arguments: The password of the proxy stands in the argument list
    at: --proxy on the command line
    why: Every process on this machine can read it there.
    fix: Write --proxy '{env:NAME}' or --proxy '{file:PATH}', where the whole URL stands.
    ");
    // Not yet URLs, and yet with a password.
    for text in [
        "alice:hunter2@proxy.example:3128",
        "http://alice:hunter2@{env:PATH}",
        "socks5://{env:PATH}:hunter2@proxy.example",
        "HTTP://a:hunter2@x@proxy.example",
        "//alice:hunter2@proxy.example",
    ] {
        let told = refused_flags(proxy(text));
        assert!(told.starts_with("secret-in-arguments") && !told.contains("hunter2"), "{text}: {told}");
    }
    for text in
        ["http://proxy.example:3128", "{env:PATH}", "http://alice@proxy.example", "http://{env:PATH}:{env:PATH}@p:1"]
    {
        Entry::from_flags("https://corp.example/mcp", proxy(text)).resolve().expect(text);
    }
}

#[test]
fn passphrases_are_refused() {
    let flags = |passphrase: &str| EntrySettings::new("").identity("me.pem", "me.key").passphrase(passphrase);
    assert_snapshot!(refused_flags(flags("hunter2")), @"
    secret-in-arguments: The passphrase stands in the argument list
    at: --passphrase on the command line
    why: Every process on this machine can read it there.
    fix: Write {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}, and nothing beside it.
    ");
    for text in ["{env:PATH}hunter2", "hunter2{env:PATH}", " {env:PATH}", "{hunter2}"] {
        let told = refused_flags(flags(text));
        assert!(told.starts_with("secret-in-arguments") && !told.contains("hunter2"), "{told}");
    }
    let endpoint = Entry::from_flags("https://corp.example/mcp", flags("{env:PATH}")).resolve().unwrap();
    let passphrase = endpoint.tls.passphrase.as_ref().unwrap();
    assert_eq!(passphrase.value.expose(), std::env::var("PATH").unwrap());
    assert_eq!(passphrase.origin.to_string(), "--passphrase on the command line");
    assert!(!format!("{:?}", endpoint.tls).contains(passphrase.value.expose()));
}

#[test]
fn flags_replace_what_the_file_says() {
    let folder = Folder::new();
    let keys = r#""timeout": 1, "headers": { "x-team": "a", "X-Other": "o" }, "tls": { "cert": "me.pem", "key": "me.key", "passphrase": "{env:NONE}" }"#;
    let entry = find("corp", Some(&folder.write("config.jsonc", with(keys)))).unwrap();
    let mut flags = EntrySettings::new("").header("X-Team", "b").identity("flag.pem", "flag.key");
    flags = flags.passphrase("{env:PATH}");
    flags.timeout = Some(7);
    let endpoint = entry.overridden(flags).resolve().unwrap();
    assert_eq!(headers(&endpoint), [("x-other", "o"), ("x-team", "b")]);
    assert_eq!(endpoint.timeout.as_millis(), 7);
    // A path typed into a shell is relative to where it was typed, one in a file to the file.
    let here = std::env::current_dir().unwrap();
    assert_eq!(file(endpoint.tls.cert.as_ref()), here.join("flag.pem"));
    assert_eq!(endpoint.tls.cert.unwrap().origin.to_string(), "--cert on the command line");
}

#[test]
fn a_secret_of_the_file_stays_allowed_beside_flags() {
    let folder = Folder::new();
    let keys = r#""headers": { "Authorization": "Bearer hunter2" }, "proxy": "http://a:hunter2@proxy.example""#;
    let entry = find("corp", Some(&folder.write("config.jsonc", with(keys)))).unwrap();
    let endpoint = entry.clone().overridden(EntrySettings::new("")).resolve().expect("the file may hold it");
    assert_eq!(headers(&endpoint), [("authorization", "Bearer hunter2")]);
    let failure = entry.overridden(header("authorization: hunter3")).resolve().unwrap_err();
    assert!(told(&failure).starts_with("secret-in-arguments"), "{failure}");
}
