//! Takes out of a text what differs from run to run, and shows what was there: `[port]`, `[date]`.

/// The text with these words replaced, and without ports, hashes, pins, serial numbers, dates and times. How far away
/// a date is ("1 day ago") stays, and so does a revision of MCP.
pub(super) fn stable(text: &str, words: &[(String, &str)]) -> String {
    let text = whole_paths(text, words);
    let text = words.iter().fold(text, |text, (word, name)| text.replace(word, name));
    let mut told = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(next) = rest.chars().next() {
        let begins = !told.ends_with(|before: char| before.is_ascii_alphanumeric());
        let (length, name) = match passing(&told, rest).filter(|_| begins) {
            Some((length, name)) => (length, name.to_owned()),
            None => (next.len_utf8(), next.to_string()),
        };
        told.push_str(&name);
        rest = &rest[length..];
    }
    told
}

/// The text with paths whose middle was left out as if they were whole: how much is left out depends on how long the
/// name of the temporary folder is.
fn whole_paths(text: &str, words: &[(String, &str)]) -> String {
    let is_end = |c: char| c.is_whitespace() || "“”‘’`'\"(),;".contains(c);
    let mut told = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('…') {
        let begin = before.rfind(is_end).map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
        let head = &before[begin..];
        let tail = &after[..after.find(is_end).unwrap_or(after.len())];
        let whole =
            words.iter().find(|(word, _)| head.starts_with('/') && (word.starts_with(head) || head.starts_with(word)));
        if let Some((word, _)) = whole {
            told.push_str(&before[..begin]);
            told.push_str(word);
            told.push('/');
            told.push_str(tail.rsplit('/').next().unwrap_or_default());
            rest = &after[tail.len()..];
        } else {
            told.push_str(before);
            told.push('…');
            rest = after;
        }
    }
    told + rest
}

/// What the text begins with, and how long that is, when it is so for a while only.
fn passing(before: &str, text: &str) -> Option<(usize, &'static str)> {
    let run = |accepts: fn(char) -> bool| text.find(|c| !accepts(c)).unwrap_or(text.len());
    if let Some(pin) = text.strip_prefix("sha256/") {
        let base64 = pin.find(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).unwrap_or(pin.len());
        return (base64 >= 43).then_some((7 + base64, "[pin]"));
    }
    let word = run(|c| c.is_ascii_alphanumeric());
    let is_hex = text[..word].bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = run(|c| c.is_ascii_digit());
    let is_revision = REVISIONS.iter().any(|word| before.ends_with(word));
    let is_port = HOSTS.iter().any(|host| before.ends_with(host)) && digits >= 4;
    match (word, is_hex) {
        (64, true) => Some((64, "[sha256]")),
        (30..=40, true) => Some((word, "[serial]")),
        _ if is_port => Some((digits, "[port]")),
        _ if fits(text, "0000-00-00T00:00:00Z") => Some((20, "[date]")),
        _ if is_revision => None,
        _ if fits(text, "0000-00-00") => Some((10, "[date]")),
        _ if fits(text, "00:00:00") => Some((8, "[time]")),
        _ if fits(text, "00:00 UTC") => Some((5, "[time]")),
        _ => None,
    }
}

/// Whether the text begins like the pattern, in which a zero stands for any digit.
fn fits(text: &str, pattern: &str) -> bool {
    let fits = |(found, wanted): (char, char)| if wanted == '0' { found.is_ascii_digit() } else { found == wanted };
    text.is_char_boundary(pattern.len().min(text.len()))
        && text.len() >= pattern.len()
        && text.chars().zip(pattern.chars()).all(fits)
}

/// What stands before the port of a server of a test.
const HOSTS: [&str; 4] = ["localhost:", "127.0.0.1:", "[::1]:", ".test:"];

/// What stands before a revision of MCP, which is named by a date and does not pass.
const REVISIONS: [&str; 2] = ["MCP ", "revision "];

#[test]
fn what_differs_from_run_to_run_is_taken_out_and_the_rest_stays() {
    let hash = "0a".repeat(32);
    for (text, told) in [
        ("https://localhost:41234/mcp", "https://localhost:[port]/mcp"),
        ("(127.0.0.1:8443)", "(127.0.0.1:[port])"),
        ("localhost:1", "localhost:1"),
        (hash.as_str(), "[sha256]"),
        ("“0123456789abcdef0123456789abcdef01234567”.", "“[serial]”."),
        ("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= is", "[pin] is"),
        ("expired on 2026-11-01 (21 days ago)", "expired on [date] (21 days ago)"),
        ("\"2026-11-01T07:12:20Z\"", "\"[date]\""),
        ("/tmp/x1/alice.pem", "[pki]/alice.pem"),
        ("“/tm…ce.pem” and “a…b”", "“[pki]/ce.pem” and “a…b”"),
        ("in /tmp/x1/fol…der/alice.pem.", "in [pki]/alice.pem."),
        ("HTTP+SSE (MCP 2024-11-05)", "HTTP+SSE (MCP 2024-11-05)"),
        ("HTTP 404, 20 names, 256 MiB, 2025-11-25x", "HTTP 404, 20 names, 256 MiB, [date]x"),
    ] {
        assert_eq!(stable(text, &[("/tmp/x1".to_owned(), "[pki]")]), told);
    }
}
