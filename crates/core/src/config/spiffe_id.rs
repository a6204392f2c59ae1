//! A SPIFFE ID: `spiffe://trust-domain/path`.

use std::fmt;

/// A SPIFFE ID, checked letter by letter, so that two are the same when their texts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiffeId {
    text: String,
    /// Where the trust domain ends in it.
    path: usize,
}

impl SpiffeId {
    /// Reads an ID (SPIFFE-ID, section 2); its path may be empty, as in the ID of a trust domain.
    ///
    /// # Errors
    /// Why it is none, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix(SCHEME).ok_or("does not begin with spiffe://")?;
        let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let of_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        let of_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.len() > LONGEST || domain.len() > LONGEST_DOMAIN {
            return Err("is too long");
        }
        if domain.is_empty() || !domain.chars().all(of_domain) {
            return Err("has a trust domain that is not lower-case letters, digits, dots, hyphens and underscores");
        }
        for segment in path.split('/').skip(1) {
            if matches!(segment, "" | "." | "..") {
                return Err("has an empty or a relative segment in its path");
            }
            if !segment.chars().all(of_path) {
                return Err("has a path that is not letters, digits, dots, hyphens and underscores");
            }
        }
        Ok(Self { text: text.to_owned(), path: SCHEME.len() + domain.len() })
    }

    /// The whole ID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.text[SCHEME.len()..self.path]
    }

    /// The path with its leading slash, or nothing.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text[self.path..]
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const SCHEME: &str = "spiffe://";

/// SPIFFE-ID, section 2.3.
const LONGEST: usize = 2048;
const LONGEST_DOMAIN: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_trust_domain_and_a_path() {
        for (text, domain, path) in [
            ("spiffe://corp.example/ns/a_b/Agent-1.x", "corp.example", "/ns/a_b/Agent-1.x"),
            ("spiffe://a", "a", ""),
            ("spiffe://a_b-c.1/...", "a_b-c.1", "/..."),
        ] {
            let id = SpiffeId::parse(text).unwrap();
            assert_eq!((id.as_str(), id.trust_domain(), id.path()), (text, domain, path));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_id() {
        let long_domain = format!("spiffe://{}/a", "a".repeat(256));
        let long = format!("spiffe://a/{}", "a".repeat(2048));
        for text in [
            "",
            "https://corp/a",
            "SPIFFE://corp/a",
            "spiffe:///a",
            "spiffe://Corp/a",
            "spiffe://corp:443/a",
            "spiffe://me@corp/a",
            "spiffe://corp/",
            "spiffe://corp/a/",
            "spiffe://corp//a",
            "spiffe://corp/./a",
            "spiffe://corp/a/..",
            "spiffe://corp/%61",
            "spiffe://corp/a?b",
            "spiffe://corp/a#b",
            "spiffe://corp/ä",
            " spiffe://corp/a",
            "spiffe://corp/a\n",
            &long_domain,
            &long,
        ] {
            assert!(SpiffeId::parse(text).is_err(), "{text}");
        }
    }
}
