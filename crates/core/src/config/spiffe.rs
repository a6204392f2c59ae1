//! The settings of `tls.spiffe`, checked.

use std::env;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::origin::Origin;
use super::reference::resolve;
use super::{Entry, Guard, SpiffeId, SpiffeSettings};
use crate::error::{Code, Failure, Result, quoted};
use crate::secret::Secret;

/// Where an X.509-SVID comes from, and which server is believed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Spiffe {
    /// The Unix socket of the Workload API.
    pub socket: PathBuf,
    /// Where the socket was named.
    pub socket_origin: Origin,
    /// The ID to present; without it that of the first SVID.
    pub id: Option<SpiffeId>,
    /// Which server is believed.
    pub server: SpiffeServer,
    /// Where the settings stand.
    pub origin: Origin,
    /// Who is asked before the socket is opened again.
    pub(crate) guard: Guard,
}

/// Which server is believed, among those that a bundle vouches for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SpiffeServer {
    /// The one with this ID.
    Id(SpiffeId),
    /// Every one in the trust domain of our own SVID.
    AnyInTrustDomain,
}

impl Entry {
    /// `other` is a setting of `tls` that stands beside these and says otherwise.
    pub(super) fn spiffe(&self, settings: &SpiffeSettings, other: Option<&str>) -> Result<Spiffe> {
        let origin = self.origins.of("tls.spiffe");
        if let Some(other) = other {
            return Err(Failure::new(Code::ConfigConflict, format!("There are both `spiffe` and `{other}`"))
                .at(origin.to_string())
                .at(self.origins.of(&format!("tls.{other}")).to_string())
                .because("With `spiffe`, the certificate, its key and the trusted CAs all come from the Workload API.")
                .fix(format!("Remove `{other}`, or remove `spiffe`.")));
        }
        if cfg!(not(unix)) {
            return Err(Failure::new(Code::ConfigInvalidValue, "`spiffe` cannot be used on this system")
                .at(origin.to_string())
                .because("The Workload API is reached by Unix sockets, which are not supported here.")
                .fix("Have the agent write its SVID into files, and name them as `cert`, `key` and `ca`."));
        }
        let (socket, socket_origin) = self.socket(settings.socket.as_ref())?;
        let id = self.spiffe_id("id", settings.id.as_ref())?.map(|(id, _)| id);
        let server = self.server(settings)?;
        Ok(Spiffe { socket, socket_origin, id, server, origin, guard: self.guard.clone() })
    }

    fn server(&self, settings: &SpiffeSettings) -> Result<SpiffeServer> {
        let id = self.spiffe_id("serverId", settings.server_id.as_ref())?;
        let any = settings.any_in_trust_domain == Some(true);
        let (what, origin) = match (id, any) {
            (Some((id, _)), false) => return Ok(SpiffeServer::Id(id)),
            (None, true) => return Ok(SpiffeServer::AnyInTrustDomain),
            (Some((_, origin)), true) => ("There are both `serverId` and `anyInTrustDomain`", origin),
            (None, false) => ("`spiffe` does not say which server is meant", self.origins.of("tls.spiffe")),
        };
        Err(Failure::new(Code::ConfigConflict, what)
            .at(origin.to_string())
            .because("A server is known by its SPIFFE ID: one ID, or, said out loud, any ID in our own trust domain.")
            .fix("Set `serverId` to the SPIFFE ID of the server, as in \"spiffe://corp.example/mcp\".")
            .fix("Set `anyInTrustDomain` to true instead, when every workload of the trust domain may be the server."))
    }

    fn spiffe_id(&self, name: &str, written: Option<&Secret>) -> Result<Option<(SpiffeId, Origin)>> {
        let Some(written) = written else { return Ok(None) };
        let origin = self.origins.of(&format!("tls.spiffe.{name}"));
        let text = resolve(written, self.folder(&origin), &origin)?;
        let wrong = |why: &str| {
            Failure::new(Code::ConfigInvalidValue, format!("`{name}` is not a SPIFFE ID"))
                .at(origin.to_string())
                .because(format!("{} {why}.", quoted(text.expose())))
                .fix("Write spiffe://TRUST-DOMAIN/PATH.")
        };
        let id = SpiffeId::parse(text.expose()).map_err(wrong)?;
        // The ID of a trust domain is that of its CA, never of a workload.
        if id.path().is_empty() {
            return Err(wrong("names a trust domain alone, and no workload in it"));
        }
        Ok(Some((id, origin)))
    }

    /// The path of the socket (SPIFFE Workload Endpoint, section 4).
    fn socket(&self, written: Option<&Secret>) -> Result<(PathBuf, Origin)> {
        let (text, origin) = match written {
            Some(written) => {
                let origin = self.origins.of("tls.spiffe.socket");
                (resolve(written, self.folder(&origin), &origin)?.expose().to_owned(), origin)
            }
            None => match env::var(VARIABLE) {
                Ok(text) if !text.is_empty() => (text, Origin::Variable(VARIABLE.to_owned())),
                _ => {
                    return Err(Failure::new(Code::ConfigInvalidValue, "The socket of the Workload API is not known")
                        .at(self.origins.of("tls.spiffe").to_string())
                        .because(format!("`socket` is not set, and neither is {VARIABLE}; some hosts clear it."))
                        .fix("Set `socket`, as in \"unix:///run/spire/agent.sock\"."));
                }
            },
        };
        let wrong = |why: &str| {
            Failure::new(Code::ConfigInvalidValue, "The socket of the Workload API cannot be used")
                .at(origin.to_string())
                .because(format!("It is {}. {why}", quoted(&text)))
                .fix("Write unix:///PATH, with the absolute path of the socket.")
        };
        if text.starts_with("tcp:") {
            return Err(wrong("The standard knows TCP sockets too; here only Unix sockets are supported."));
        }
        let Some(path) = text.strip_prefix("unix:") else {
            return Err(wrong("It does not begin with unix://."));
        };
        let path = match path.strip_prefix("//") {
            Some(rest) if !rest.starts_with('/') => return Err(wrong("Between unix:// and the path stands a host.")),
            Some(rest) => rest,
            None => path,
        };
        if !path.starts_with('/') || path.contains(['?', '#']) {
            return Err(wrong("After unix: only an absolute path may stand."));
        }
        let path = percent_decode_str(path).decode_utf8().map_err(|_| wrong("Its path is not UTF-8."))?;
        Ok((PathBuf::from(path.into_owned()), origin))
    }
}

/// The variable by which agents tell their socket (SPIFFE Workload Endpoint, section 4).
pub(super) const VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";
