//! The door of a server: takes a TCP connection, shakes hands, and tells what it verified.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::refusing::Refusing;
use super::{ClientAuth, Connection, Outcome, Stream};
use crate::pki::{Pki, ServerIdentity, fingerprint};

/// Where connections come in, with TLS or without.
pub(crate) struct Door(Option<TlsAcceptor>);

impl Door {
    pub(crate) fn plain() -> Self {
        Self(None)
    }

    pub(crate) fn tls(options: &TlsOptions) -> Self {
        Self(Some(TlsAcceptor::from(Arc::new(options.config()))))
    }

    /// Shakes hands. No stream when that failed.
    ///
    /// A refused client sees what real servers give it: the alert, then a socket closed over what it had already sent.
    pub(crate) async fn open(
        &self,
        tcp: TcpStream,
        peer: SocketAddr,
        number: usize,
    ) -> (Arc<Connection>, Option<Stream>) {
        tcp.set_nodelay(true).expect("TCP_NODELAY on a fresh socket");
        let mut connection = Connection::unopened(number, peer);
        let Some(acceptor) = &self.0 else {
            return (Arc::new(connection), Some(Stream::Plain(tcp)));
        };
        match acceptor.accept(tcp).await {
            Ok(stream) => {
                describe(&mut connection, stream.get_ref().1);
                (Arc::new(connection), Some(Stream::Tls(Box::new(stream))))
            }
            Err(error) => {
                connection.outcome = Outcome::Refused(error.to_string());
                (Arc::new(connection), None)
            }
        }
    }
}

/// Writes down what the handshake agreed on.
fn describe(connection: &mut Connection, tls: &rustls::ServerConnection) {
    connection.outcome = match tls.peer_certificates().and_then(<[_]>::first) {
        Some(leaf) => Outcome::Verified(fingerprint(leaf)),
        None => Outcome::NoCertificate,
    };
    connection.uris = tls.peer_certificates().and_then(<[_]>::first).map(|leaf| uris(leaf)).unwrap_or_default();
    connection.version = tls.protocol_version().and_then(|version| match version {
        ProtocolVersion::TLSv1_2 => Some("1.2"),
        ProtocolVersion::TLSv1_3 => Some("1.3"),
        _ => None,
    });
    connection.alpn = tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    connection.server_name = tls.server_name().map(str::to_owned);
    connection.key_exchange = tls.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
    connection.resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
}

/// The URIs that a certificate names.
fn uris(der: &[u8]) -> Vec<String> {
    let (_, certificate) = X509Certificate::from_der(der).expect("a certificate that was verified");
    let names = certificate.subject_alternative_name().expect("names that can be read");
    let names = names.iter().flat_map(|names| &names.value.general_names);
    names.filter_map(|name| if let GeneralName::URI(uri) = name { Some((*uri).to_owned()) } else { None }).collect()
}

/// What a TLS server insists on.
#[derive(Clone)]
pub(crate) struct TlsOptions {
    pub(crate) identity: ServerIdentity,
    pub(crate) client_auth: ClientAuth,
    pub(crate) names_cas: bool,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) client_ca: CertificateDer<'static>,
    /// Why it refuses every client certificate.
    pub(crate) refuses: Option<CertificateError>,
}

impl TlsOptions {
    pub(crate) fn new(pki: &Pki) -> Self {
        Self {
            identity: pki.server_identity(),
            client_auth: ClientAuth::Required,
            names_cas: true,
            versions: rustls::ALL_VERSIONS.to_vec(),
            alpn: Vec::new(),
            client_ca: pki.client_ca_der(),
            refuses: None,
        }
    }

    pub(super) fn config(&self) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&self.versions)
            .expect("the provider speaks these versions");
        let builder = match self.client_auth {
            ClientAuth::None => builder.with_no_client_auth(),
            ClientAuth::Required | ClientAuth::Requested => {
                let mut roots = RootCertStore::empty();
                roots.add(self.client_ca.clone()).expect("the client CA is a root");
                let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
                if self.client_auth == ClientAuth::Requested {
                    verifier = verifier.allow_unauthenticated();
                }
                if !self.names_cas {
                    verifier = verifier.clear_root_hint_subjects();
                }
                let asks = verifier.build().expect("a verifier");
                builder.with_client_cert_verifier(match self.refuses.clone() {
                    Some(because) => Arc::new(Refusing { asks, because }),
                    None => asks,
                })
            }
        };
        // Not checked against each other, since certificates of version 1 cannot be.
        let key = provider().key_provider.load_private_key(self.identity.key()).expect("a key");
        let certified = CertifiedKey::new(self.identity.chain(), key);
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols.clone_from(&self.alpn);
        config
    }
}

/// Named explicitly everywhere, since a process-wide default would hide that the code under test forgot its own.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
