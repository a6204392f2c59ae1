//! The headers of an entry, whose values can be made again.

use http::{HeaderName, HeaderValue};

use super::Guard;
use super::origin::Origin;
use super::reference::Template;
use crate::error::{Code, Failure, Result};

/// Headers for every request to an origin. Their values appear in no `Debug` output.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    all: Vec<Header>,
    guard: Guard,
}

#[derive(Clone, Debug)]
struct Header {
    name: HeaderName,
    value: HeaderValue,
    /// The name as it was written, and where, for messages.
    place: Option<(String, Origin)>,
    /// How the value is made again, when a file or a program gave it.
    source: Option<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    /// The name as it was written, for messages.
    name: String,
    template: Template,
    origin: Origin,
}

impl Headers {
    /// None yet, with who is asked before they are made again.
    pub(super) fn new(guard: Guard) -> Self {
        Self { all: Vec::new(), guard }
    }

    /// The names and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.all.iter().map(|header| (&header.name, &header.value))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a header with a value of the program's own, which is kept as it is.
    pub fn append(&mut self, name: HeaderName, mut value: HeaderValue) {
        value.set_sensitive(true);
        self.all.push(Header { name, value, place: None, source: None });
    }

    /// The name of the header that looks most like credentials, and where it was set.
    pub(crate) fn credential(&self) -> Option<(String, String)> {
        // `auth` is a word of a name such as X-Auth, and a part of X-Author.
        let has = |name: &str, part: &str| match part {
            "auth" => name.split('-').any(|word| word == part),
            _ => name.contains(part),
        };
        let likely = |part: &&str| self.all.iter().find(|header| has(header.name.as_str(), part));
        let header = CREDENTIALS.iter().find_map(likely)?;
        Some(match &header.place {
            Some((name, origin)) => (name.clone(), origin.to_string()),
            None => (header.name.to_string(), "the headers of the program".to_owned()),
        })
    }

    /// Whether any value holds a `{file:}` or a `{command:}`, and may so be another one now.
    #[must_use]
    pub fn is_renewable(&self) -> bool {
        self.all.iter().any(|header| header.source.is_some())
    }

    /// The same headers with their files read and their programs run again. Literal text and what
    /// the environment gave stay as they are.
    ///
    /// It may block: 5 s for each program at most.
    ///
    /// # Errors
    /// `reference-unresolved`, `config-invalid-value` for what cannot be sent in a header, and those of
    /// [`Entry::guarded`](super::Entry::guarded).
    pub fn renewed(&self) -> Result<Self> {
        self.guard.ask()?;
        let renew = |header: &Header| {
            let Some(source) = &header.source else { return Ok(header.clone()) };
            Ok(Header { value: source.value()?, ..header.clone() })
        };
        let all = self.all.iter().map(renew).collect::<Result<_>>()?;
        Ok(Self { all, guard: self.guard.clone() })
    }

    /// Adds a header as it was written: the name, which `as_written` repeats, and the value.
    pub(super) fn read(
        &mut self,
        name: HeaderName,
        as_written: &str,
        template: Template,
        origin: Origin,
    ) -> Result<()> {
        let place = Some((as_written.to_owned(), origin.clone()));
        let source = Source { name: as_written.to_owned(), template, origin };
        let value = source.value()?;
        let source = source.template.may_change().then_some(source);
        self.all.push(Header { name, value, place, source });
        Ok(())
    }
}

impl Source {
    fn value(&self) -> Result<HeaderValue> {
        let Ok(mut value) = HeaderValue::from_str(self.template.fill()?.expose()) else {
            let what = format!("The value of the header `{}` cannot be sent", self.name);
            return Err(Failure::new(Code::ConfigInvalidValue, what)
                .at(self.origin.to_string())
                .because("It holds a line break, a control character or text beyond ASCII.")
                .fix("Correct what the reference gives, or the text."));
        };
        value.set_sensitive(true);
        Ok(value)
    }
}

/// What stands in the names of headers that carry credentials, the likeliest first.
const CREDENTIALS: [&str; 6] = ["authorization", "token", "api-key", "apikey", "auth", "cookie"];

#[cfg(test)]
mod tests {
    use crate::config::{Entry, EntrySettings, Header};
    use crate::secret::Secret;

    #[test]
    fn only_files_and_programs_give_other_values() {
        let folder = tempfile::tempdir().unwrap();
        let (token, user) = (folder.path().join("token"), folder.path().join("user"));
        let endpoint = |values: &[String]| {
            let header = |value: &String| Header { name: "X-A".into(), value: Some(Secret::new(value.clone())) };
            let headers = Some(values.iter().map(header).collect());
            let settings = EntrySettings { headers, ..EntrySettings::new("https://corp.example/") };
            Entry::new(settings).resolve().unwrap()
        };
        let values = |headers: &super::Headers| -> Vec<String> {
            headers.iter().map(|(_, value)| value.to_str().unwrap().to_owned()).collect()
        };
        std::fs::write(&token, "one").unwrap();
        std::fs::write(&user, "alice").unwrap();
        let path = std::env::var("PATH").unwrap();
        let written =
            [format!("{{file:{}}} {{file:{}}}", user.display(), token.display()), "literal {env:PATH}".into()];
        let mut headers = endpoint(&written).headers;
        headers.append(http::header::COOKIE, "hunter2".parse().unwrap());
        assert!(headers.is_renewable() && !endpoint(&written[1..]).headers.is_renewable());
        let fixed = [format!("literal {path}"), "hunter2".to_owned()];
        assert_eq!(values(&headers), ["alice one".to_owned(), fixed[0].clone(), fixed[1].clone()]);
        // What a file gives is not looked through for references.
        std::fs::write(&token, "{env:PATH}").unwrap();
        let renewed = headers.renewed().unwrap();
        assert_eq!(values(&renewed), ["alice {env:PATH}".to_owned(), fixed[0].clone(), fixed[1].clone()]);
        std::fs::remove_file(&token).unwrap();
        assert!(renewed.renewed().is_err());
        let shown = format!("{headers:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("literal") && !shown.contains("alice"), "{shown}");
    }
}
