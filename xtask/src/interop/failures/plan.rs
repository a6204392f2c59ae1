//! What one server shall be, site by site, and what a client must say of each.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_mtls_testkit::pki::{Client, ServerIdentity};

use super::cast::{Cast, REFUSED, Wanted};
use super::servers::{Does, Kind, Server};
use crate::interop::{Stage, shown};

/// The sites of one server, and the rows that are played with them.
pub(super) struct Plan<'a> {
    stage: &'a Stage,
    pub(super) cast: &'a Cast,
    pub(super) sites: Vec<Site>,
    pub(super) rows: Vec<Row>,
    /// The ports of the sites, kept from others until the server starts.
    kept: Vec<TcpListener>,
}

/// One port, and how it behaves.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) port: u16,
    /// The one version of TLS that it speaks, if any.
    pub(super) tls: Option<&'static str>,
    pub(super) http2: bool,
    pub(super) identity: ServerIdentity,
    pub(super) asks: Asks,
    /// The HTTP status for everybody who is let in.
    pub(super) status: u16,
}

/// When a site asks for a client certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Never,
    /// In the handshake, and nobody gets in without one.
    Always,
    /// After it has read the URL.
    AfterUrl,
    /// In the handshake, and everybody gets in.
    Wishes,
}

/// One try and what must come of it.
pub(super) struct Row {
    pub(super) failure: String,
    /// The versions of TLS and HTTP.
    pub(super) speaks: String,
    pub(super) args: Vec<String>,
    pub(super) wanted: Wanted,
}

impl<'a> Plan<'a> {
    /// Without any row.
    pub(super) fn none(stage: &'a Stage, cast: &'a Cast) -> Self {
        Self { stage, cast, sites: Vec::new(), rows: Vec::new(), kept: Vec::new() }
    }

    /// What every make of server is asked.
    pub(super) fn of(stage: &'a Stage, kind: &Kind, cast: &'a Cast) -> Self {
        let mut plan = Self::none(stage, cast);
        let https: &[bool] = if kind.does(Does::Http2) { &[false, true] } else { &[false] };
        for tls in ["1.3", "1.2"] {
            for &http2 in https {
                plan.refused_clients(tls, http2, kind);
                if kind.does(Does::Http) {
                    plan.lets_in(tls, http2);
                }
            }
            plan.refused_servers(tls);
        }
        plan.other_protocols(kind);
        plan
    }

    /// Servers that speak something else than the client.
    fn other_protocols(&mut self, kind: &Kind) {
        let old = self.site(Site { tls: Some("1.1"), ..Site::new(self.cast) });
        self.row(
            "TLS 1.1 alone",
            &old,
            self.with(&old, &self.cast.alice),
            if kind.does(Does::SpeaksUp) { ("tls-version-unsupported", "theirs") } else { LOST },
        );
        if !kind.does(Does::Http) {
            return;
        }
        let plain = self.site(Site { tls: None, asks: Asks::Never, ..Site::new(self.cast) });
        let soon = ["--timeout".to_owned(), WAIT.as_millis().to_string()].to_vec();
        let wanted = if kind.does(Does::SpeaksUp) { ("not-tls", "theirs") } else { ("timed-out", "between") };
        self.row("HTTP on the port", &plain, [self.with(&plain, &self.cast.alice), soon].concat(), wanted);
        let tls = self.site(Site::new(self.cast));
        let wanted = if kind.does(Does::AnswersHttp) { NOT_PLAIN } else { LOST };
        self.row("http:// in the URL", &tls, vec![tls.url("/mcp").replace("https:", "http:")], wanted);
    }

    /// A server that demands a certificate, and the clients that it must not let in.
    fn refused_clients(&mut self, tls: &'static str, http2: bool, kind: &Kind) {
        let cast = self.cast;
        let site = self.site(Site { tls: Some(tls), http2, ..Site::new(cast) });
        self.row("client: no certificate", &site, self.without(&site), REQUIRED);
        for (fault, client, wanted) in &cast.refused {
            self.row(&format!("client: {fault}"), &site, self.with(&site, client), *wanted);
        }
        if kind.does(Does::Lists) {
            self.row("client: revoked", &site, self.with(&site, &cast.revoked), REFUSED);
        }
        // The same server lets in who has no fault: what it refused above is the certificate.
        if kind.does(Does::Http) {
            self.row("client: accepted, HTTP 403", &site, self.with(&site, &cast.alice), FORBIDDEN);
        }
    }

    /// A server that misses the certificate which it did not ask for, or did not insist on.
    fn lets_in(&mut self, tls: &'static str, http2: bool) {
        for status in [401, 403] {
            let site = Site { tls: Some(tls), http2, asks: Asks::Never, status, ..Site::new(self.cast) };
            let site = self.site(site);
            let args = self.with(&site, &self.cast.alice);
            self.row(&format!("client: not asked, HTTP {status}"), &site, args, NOT_ASKED);
        }
        let site = self.site(Site { tls: Some(tls), http2, asks: Asks::Wishes, ..Site::new(self.cast) });
        self.row("client: no certificate, HTTP 403", &site, self.without(&site), REQUIRED);
    }

    /// Servers whose certificate must not be believed.
    fn refused_servers(&mut self, tls: &'static str) {
        let cast = self.cast;
        for (fault, identity, wanted) in &cast.untrusted {
            let site = self.site(Site { tls: Some(tls), identity: identity.clone(), ..Site::new(cast) });
            self.row(&format!("server: {fault}"), &site, self.with(&site, &cast.alice), *wanted);
        }
        let site = self.site(Site { tls: Some(tls), ..Site::new(cast) });
        let flags = |more: [String; 2]| [self.with(&site, &cast.alice), more.to_vec()].concat();
        let revoked = flags(["--crl".to_owned(), shown(&cast.server_crl)]);
        let pinned = flags(["--pin".to_owned(), format!("sha256/{}", STANDARD.encode([7; 32]))]);
        self.row("server: revoked by our list", &site, revoked, ("server-revoked", "theirs"));
        self.row("server: another key than the pinned one", &site, pinned, ("pin-mismatch", "ours"));
    }

    /// The server of these sites, started.
    pub(super) async fn start(&mut self, kind: &Kind) -> Server {
        self.kept.clear();
        Server::start(self.stage, kind, self.cast, &self.sites).await
    }

    /// Adds a site on a port of its own.
    pub(super) fn site(&mut self, site: Site) -> Site {
        let kept = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|e| panic!("a free port: {e}"));
        let port = kept.local_addr().unwrap_or_else(|e| panic!("its number: {e}")).port();
        self.kept.push(kept);
        let site = Site { port, ..site };
        self.sites.push(site.clone());
        site
    }

    pub(super) fn row(&mut self, failure: &str, site: &Site, args: Vec<String>, wanted: Wanted) {
        let tls = site.tls.map_or("no TLS".to_owned(), |tls| format!("TLS {tls}"));
        let speaks = format!("{tls}, HTTP/{}", if site.http2 { "2" } else { "1.1" });
        self.rows.push(Row { failure: failure.to_owned(), speaks, args, wanted });
    }

    /// A server of this name.
    pub(super) fn named(&self, name: &str) -> ServerIdentity {
        self.stage.pki.server_identity_for(name)
    }

    pub(super) fn with(&self, site: &Site, client: &Client) -> Vec<String> {
        self.stage.flags(&site.url("/mcp"), Some(client))
    }

    pub(super) fn without(&self, site: &Site) -> Vec<String> {
        self.stage.flags(&site.url("/mcp"), None)
    }

    /// The same for another path of the site.
    pub(super) fn at(&self, site: &Site, path: &str) -> Vec<String> {
        self.stage.flags(&site.url(path), Some(&self.cast.alice))
    }
}

impl Site {
    /// TLS 1.3 and HTTP/1.1, a certificate demanded, and HTTP 403 with it.
    pub(super) fn new(cast: &Cast) -> Self {
        let identity = cast.server.clone();
        Self { port: 0, tls: Some("1.3"), http2: false, identity, asks: Asks::Always, status: 403 }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// As ALPN has it.
    pub(super) fn alpn(&self) -> &'static str {
        if self.http2 { "h2" } else { "http/1.1" }
    }
}

pub(super) const REQUIRED: Wanted = ("certificate-required", "ours");
const LOST: Wanted = ("connection-lost", "between");
const NOT_PLAIN: Wanted = ("not-plain", "ours");
pub(super) const NOT_ASKED: Wanted = ("certificate-not-asked", "theirs");
pub(super) const FORBIDDEN: Wanted = ("http-forbidden", "theirs");

/// The `timeout` of a client whose server may say nothing.
pub(super) const WAIT: Duration = Duration::from_secs(2);
