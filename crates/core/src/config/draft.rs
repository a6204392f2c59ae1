//! An entry as it is written into a file, wherever its settings came from.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::arguments::{refuse_key, refuse_pin};
use super::endpoint::{NO_PROXY_VARIABLES, PROXY_VARIABLES};
use super::material::{is_on_token, refer_in_uri};
use super::origin::Origin;
use super::reference::{Part, parse};
use super::spiffe;
use super::{Entry, EntrySettings, Exec, Header, SpiffeSettings, TlsSettings};
use crate::error::{Code, Failure, Result};
use crate::secret::Secret;

/// A value as it stands in a file. The keys of a map have an order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Number(u64),
    /// Text, which may hold a secret.
    Text(Secret),
    /// A list.
    List(Vec<Self>),
    /// Values by name.
    Map(Vec<(String, Self)>),
}

/// An entry to be written into a file, in any folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Draft {
    /// The entry: references stay references, in our notation, and paths are absolute or begin with `~`.
    pub entry: Value,
    /// The paths that were relative.
    pub moved: Vec<Moved>,
    /// The programs that run, and the libraries that are loaded, when the entry is used. Where there is none, only a
    /// reference that gives a `pkcs11:` URI can bring one in: then [`forbid_programs`](super::forbid_programs).
    pub programs: Vec<Started>,
    /// What only such a reference may bring in, where there are no programs.
    pub may_load: Vec<Started>,
    /// The variables that it needs, each as often as it does, and those that are set here and count unasked.
    pub variables: Vec<Variable>,
}

/// A variable of the environment that a setting needs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Variable {
    /// The setting that refers to it, or would replace it: `headers.Authorization`.
    pub setting: String,
    /// Its name.
    pub name: String,
    /// Whether it is set here.
    pub is_set: bool,
}

/// A path that was relative to another folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Moved {
    /// The setting, as in `tls.cert`.
    pub setting: String,
    /// As it was written.
    pub from: String,
    /// As it stands in the draft.
    pub to: PathBuf,
}

/// A program that a setting runs, or the library that it loads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Started {
    /// The setting, as in `tls.exec`.
    pub setting: String,
    /// The program and its arguments, as a shell would take them; or the library.
    pub line: Secret,
    /// What the line names.
    pub kind: StartedKind,
}

impl Started {
    fn new(setting: &str, line: Secret, kind: StartedKind) -> Self {
        Self { setting: setting.to_owned(), line, kind }
    }
}

/// What an entry starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartedKind {
    /// A program that is run.
    Program,
    /// A library that is loaded.
    Library,
    /// A library that the line does not name: it says in words what may be loaded.
    UnnamedLibrary,
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(Secret::new(text.to_owned()))
    }
}

impl Entry {
    /// The entry as it is to be written. Nothing is run, and no file is read.
    ///
    /// # Errors
    /// `reference-unresolved` for notation that cannot be translated; `config-invalid-value` for a private key that
    /// stands in it, and for paths that no JSON can hold; `usage-invalid` for a header that two flags give.
    pub fn draft(&self) -> Result<Draft> {
        self.refuse_headers_twice()?;
        let here = std::env::current_dir().unwrap_or_default();
        let mut writer = Writer {
            entry: self,
            here: &here,
            moved: Vec::new(),
            programs: Vec::new(),
            hidden: Vec::new(),
            variables: Vec::new(),
        };
        let entry = writer.settings(&self.settings)?;
        writer.unasked(&self.settings);
        let Writer { moved, mut programs, hidden: mut may_load, variables, .. } = writer;
        // Whoever agrees to some has agreed to all that may be: they are told, too.
        if !programs.is_empty() {
            programs.append(&mut may_load);
        }
        Ok(Draft { entry, moved, programs, may_load, variables })
    }
}

impl Draft {
    /// The variables that it needs and that are not set here.
    pub fn unset(&self) -> impl Iterator<Item = &Variable> {
        self.variables.iter().filter(|variable| !variable.is_set)
    }
}

impl Entry {
    /// The entry without the headers that need a variable that is not set here, to be looked at where the host has not
    /// set it.
    #[must_use]
    pub fn without_headers_of_unset(mut self, draft: &Draft) -> Self {
        let needs = |name: &str| draft.unset().any(|unset| unset.setting == format!("headers.{name}"));
        if let Some(headers) = &mut self.settings.headers {
            headers.retain(|header| !needs(&header.name));
        }
        self
    }
}

struct Writer<'a> {
    variables: Vec<Variable>,
    entry: &'a Entry,
    /// What relative paths in flags are relative to.
    here: &'a Path,
    moved: Vec<Moved>,
    programs: Vec<Started>,
    /// What only a reference may bring in, when its value is known.
    hidden: Vec<Started>,
}

type Keys = Vec<(String, Value)>;

impl Writer<'_> {
    fn settings(&mut self, settings: &EntrySettings) -> Result<Value> {
        // Taken apart whole, so that a new setting cannot be forgotten here.
        let EntrySettings { kind, url, headers, oauth, timeout, enabled, proxy, tls } = settings;
        let mut keys = Keys::new();
        put(&mut keys, "type", kind.map(|kind| Value::text(kind.name())));
        // Blanks around it mean nothing, and others that read the file may not know that.
        let url = url.as_ref().map(|url| Secret::new(url.expose().trim().to_owned()));
        put(&mut keys, "url", self.text("url", url.as_ref())?);
        put(&mut keys, "headers", headers.as_deref().map(|headers| self.headers(headers)).transpose()?);
        put(&mut keys, "oauth", oauth.map(Value::Bool));
        put(&mut keys, "timeout", timeout.map(Value::Number));
        put(&mut keys, "enabled", enabled.map(Value::Bool));
        put(&mut keys, "proxy", self.text("proxy", proxy.as_ref())?);
        put(&mut keys, "tls", tls.as_ref().map(|tls| self.tls(tls)).transpose()?);
        Ok(Value::Map(keys))
    }

    fn needs(&mut self, setting: &str, name: &str) {
        let is_set = std::env::var_os(name).is_some();
        self.variables.push(Variable { setting: setting.to_owned(), name: name.to_owned(), is_set });
    }

    /// The variables that count although no setting names them.
    fn unasked(&mut self, settings: &EntrySettings) {
        let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if settings.proxy.is_none() {
            let names = PROXY_VARIABLES.iter().chain(&NO_PROXY_VARIABLES);
            names.copied().filter(is_set).for_each(|name| self.needs("proxy", name));
        }
        let tls = settings.tls.as_ref();
        let workload = tls.and_then(|tls| tls.spiffe.as_ref());
        if workload.is_some_and(|spiffe| spiffe.socket.is_none()) {
            self.needs("tls.spiffe.socket", spiffe::VARIABLE);
        }
        if workload.is_none() && tls.is_none_or(|tls| tls.ca.is_none() || tls.system_roots == Some(true)) {
            // Where the system's roots are is read from these.
            ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter(is_set).for_each(|name| self.needs("tls.ca", name));
        }
    }

    fn headers(&mut self, headers: &[Header]) -> Result<Value> {
        let mut keys = Keys::new();
        for Header { name, value } in headers {
            let setting = format!("headers.{name}");
            put(&mut keys, name, self.text(&setting, value.as_ref())?);
        }
        Ok(Value::Map(keys))
    }

    fn tls(&mut self, settings: &TlsSettings) -> Result<Value> {
        let TlsSettings {
            cert,
            key,
            passphrase,
            pkcs11_module,
            exec,
            ca,
            system_roots,
            pins,
            crl,
            server_name,
            min_version,
            key_exchange,
            spiffe,
        } = settings;
        let plain = |text: &Option<String>| text.as_deref().map(Value::text);
        let mut keys = Keys::new();
        put(&mut keys, "cert", self.path("tls.cert", cert.as_ref())?);
        put(&mut keys, "key", self.path("tls.key", key.as_ref())?);
        put(&mut keys, "passphrase", self.text("tls.passphrase", passphrase.as_ref())?);
        if let Some(module) = pkcs11_module {
            self.programs.push(Started::new("tls.pkcs11Module", module.clone(), StartedKind::Library));
        }
        put(&mut keys, "pkcs11Module", self.path("tls.pkcs11Module", pkcs11_module.as_ref())?);
        put(&mut keys, "exec", exec.as_ref().map(|exec| self.exec(exec)).transpose()?);
        put(&mut keys, "ca", self.path("tls.ca", ca.as_ref())?);
        put(&mut keys, "systemRoots", system_roots.map(Value::Bool));
        put(&mut keys, "pins", pins.as_deref().map(|pins| self.pins(pins)).transpose()?);
        put(&mut keys, "crl", self.path("tls.crl", crl.as_ref())?);
        let server_name = server_name.clone().map(Secret::new);
        put(&mut keys, "serverName", self.text("tls.serverName", server_name.as_ref())?);
        put(&mut keys, "minVersion", plain(min_version));
        put(&mut keys, "keyExchange", plain(key_exchange));
        put(&mut keys, "spiffe", spiffe.as_ref().map(|spiffe| self.spiffe(spiffe)).transpose()?);
        Ok(Value::Map(keys))
    }

    fn pins(&mut self, written: &[String]) -> Result<Value> {
        let pin = |pin: &String| self.value("tls.pins", &Secret::new(pin.clone()), false).map(Value::Text);
        written.iter().map(pin).collect::<Result<_>>().map(Value::List)
    }

    fn spiffe(&mut self, settings: &SpiffeSettings) -> Result<Value> {
        let SpiffeSettings { socket, id, server_id, any_in_trust_domain } = settings;
        let mut keys = Keys::new();
        put(&mut keys, "socket", self.text("tls.spiffe.socket", socket.as_ref())?);
        put(&mut keys, "id", self.text("tls.spiffe.id", id.as_ref())?);
        put(&mut keys, "serverId", self.text("tls.spiffe.serverId", server_id.as_ref())?);
        put(&mut keys, "anyInTrustDomain", any_in_trust_domain.map(Value::Bool));
        Ok(Value::Map(keys))
    }

    fn exec(&mut self, exec: &Exec) -> Result<Value> {
        let words = exec.words();
        let mut written = Vec::new();
        for (at, word) in words.iter().enumerate() {
            // A name without a slash is looked for in `PATH`.
            let is_path = at == 0 && word.expose().contains(['/', '\\']);
            written.push(self.value("tls.exec", word, is_path)?);
        }
        self.programs.push(Started::new("tls.exec", line(written.iter().map(Secret::expose)), StartedKind::Program));
        Ok(Value::List(written.into_iter().map(Value::Text).collect()))
    }

    fn text(&mut self, setting: &str, written: Option<&Secret>) -> Result<Option<Value>> {
        written.map(|written| self.value(setting, written, false).map(Value::Text)).transpose()
    }

    /// A path, the text of a PEM file or the URI of an object on a token.
    fn path(&mut self, setting: &str, written: Option<&Secret>) -> Result<Option<Value>> {
        let Some(written) = written else { return Ok(None) };
        let text = written.expose();
        let origin = self.entry.origins.of(setting);
        if text.contains("PRIVATE KEY-----") {
            refuse_key(setting.trim_start_matches("tls."), &origin)?;
            return Err(Failure::new(Code::ConfigInvalidValue, "A private key is not written into the configuration")
                .at(origin.to_string())
                .because("Such files are copied and shared.")
                .fix("Save it as a file that you alone can read, and name that file."));
        }
        let refers = parse(text, &origin)?.iter().any(|part| !matches!(part, Part::Literal(_)));
        if is_on_token(text) {
            if refers {
                return Err(refer_in_uri(setting.trim_start_matches("tls."), &origin));
            }
            // Whoever is asked would be shown it.
            refuse_pin(setting.trim_start_matches("tls."), written, text, &origin)?;
            // The attributes that name a library (RFC 7512, section 2.3), however they are spelt.
            let is_module = |attribute: &&str| {
                let name = attribute.split('=').next().unwrap_or_default().to_ascii_lowercase();
                name.contains("module") || name.contains('%')
            };
            let modules: Vec<_> = text.split([';', '?', '&']).filter(is_module).collect();
            let (line, kind) = match modules.as_slice() {
                [] => (SYSTEM_MODULES.to_owned(), StartedKind::UnnamedLibrary),
                modules => (modules.join(" "), StartedKind::Library),
            };
            self.programs.push(Started::new(setting, Secret::new(line), kind));
        } else if refers && matches!(setting, "tls.cert" | "tls.key") {
            // It may give the URI of an object on a token, and that the name of a library.
            self.hidden.push(Started::new(setting, Secret::new(HIDDEN.to_owned()), StartedKind::UnnamedLibrary));
        }
        let is_path = !is_on_token(text) && !text.contains("-----BEGIN") && !text.contains('\n');
        self.value(setting, written, is_path).map(|value| Some(Value::Text(value)))
    }

    /// The same value with every reference in our notation, and every path in it absolute.
    fn value(&mut self, setting: &str, written: &Secret, is_path: bool) -> Result<Secret> {
        let origin = self.entry.origins.of(setting);
        let mut texts = Vec::new();
        for (at, part) in parse(written.expose(), &origin)?.into_iter().enumerate() {
            texts.push(Zeroizing::new(match part {
                Part::Literal(text) if at == 0 && is_path => self.absolute(setting, text, &origin)?,
                Part::Literal(text) => text.to_owned(),
                Part::Env(name) => {
                    self.needs(setting, name);
                    format!("{{env:{name}}}")
                }
                Part::File(path) => format!("{{file:{}}}", self.absolute(setting, path, &origin)?),
                Part::Command(line) => format!("{{command:{}}}", self.command(setting, line, &origin)?),
            }));
        }
        Ok(Secret::new(texts.iter().map(|text| text.as_str()).collect::<Vec<_>>().concat()))
    }

    fn command(&mut self, setting: &str, written: &str, origin: &Origin) -> Result<String> {
        self.programs.push(Started::new(setting, Secret::new(written.to_owned()), StartedKind::Program));
        let mut words = shlex::split(written).unwrap_or_default();
        let Some(program) = words.first_mut().filter(|program| program.contains(['/', '\\'])) else {
            return Ok(written.to_owned());
        };
        let absolute = self.absolute(setting, program, origin)?;
        if absolute == *program {
            return Ok(written.to_owned());
        }
        *program = absolute;
        Ok(line(words.iter().map(String::as_str)).expose().to_owned())
    }

    fn absolute(&mut self, setting: &str, written: &str, origin: &Origin) -> Result<String> {
        let at_home = written.strip_prefix('~').is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\']));
        let path = Path::new(written);
        if at_home || path.is_absolute() || written.is_empty() {
            return Ok(written.to_owned());
        }
        let to = self.entry.folder(origin).unwrap_or(self.here).join(path.strip_prefix(".").unwrap_or(path));
        let Some(text) = to.to_str() else {
            return Err(Failure::new(Code::ConfigInvalidValue, "The path cannot be written into a configuration")
                .at(origin.to_string())
                .because("The folder that it is relative to has a name that is not UTF-8 text.")
                .fix("Write an absolute path."));
        };
        // What the path ends with matters, when a reference follows.
        let text = if written.ends_with('/') && !text.ends_with('/') { format!("{text}/") } else { text.to_owned() };
        self.moved.push(Moved { setting: setting.to_owned(), from: written.to_owned(), to });
        Ok(text)
    }
}

/// What is loaded for a token whose URI names no module.
const SYSTEM_MODULES: &str = "the PKCS#11 modules of the system, unless pkcs11Module names one";
const HIDDEN: &str = "whatever library its reference names, if that gives a pkcs11: URI";

fn put(keys: &mut Keys, name: &str, value: Option<Value>) {
    // The flags make an object of nothing.
    if let Some(value) = value.filter(|value| !matches!(value, Value::Map(keys) if keys.is_empty())) {
        keys.push((name.to_owned(), value));
    }
}

fn line<'a>(words: impl Iterator<Item = &'a str>) -> Secret {
    // A word with a NUL in it can be given to no program, and is told when the entry is resolved.
    Secret::new(shlex::try_join(words).unwrap_or_default())
}
