//! A real MCP server (rmcp) over TLS that demands a client certificate, on a free loopback port.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::request::Parts;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use mcp_mtls_core::devcerts::Minted;
use mcp_mtls_core::error::{Code, Failure, Result};
use mcp_mtls_core::identity::facts::CertificateFacts;
use rmcp::handler::server::common::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, Implementation, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, schemars, tool, tool_handler, tool_router};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A running server; it stops when this is dropped.
pub(super) struct Server {
    url: String,
    refusals: Refusals,
    accepting: JoinHandle<()>,
}

/// What the server said of each client that it refused.
type Refusals = Arc<Mutex<Vec<String>>>;

impl Server {
    /// Starts to accept clients whose certificate `ca` has signed.
    pub(super) async fn start(ca: &Minted, server: &Minted) -> Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(tls(ca, server).map_err(not_started)?));
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = bound.map_err(not_started)?;
        let port = listener.local_addr().map_err(not_started)?.port();
        let refusals = Refusals::default();
        let accepting = tokio::spawn(accept(listener, acceptor, refusals.clone()));
        Ok(Self { url: format!("https://localhost:{port}/mcp"), refusals, accepting })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What was said of the client refused last.
    pub(super) fn last_refusal(&self) -> Option<String> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// How many clients were refused.
    pub(super) fn refused(&self) -> usize {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The certificate that the server verified, as `whoami` tells it.
#[derive(Clone, Debug)]
struct Peer(Arc<CertificateFacts>);

/// The MCP side.
#[derive(Clone)]
struct Tools;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    /// What to say back.
    message: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[tool_router]
impl Tools {
    /// Tells which client certificate the server verified.
    #[tool]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> Result<CallToolResult, ErrorData> {
        let Some(Peer(facts)) = parts.extensions.get::<Peer>() else {
            return Err(ErrorData::internal_error("the connection has no verified certificate", None));
        };
        Ok(CallToolResult::structured(serde_json::json!({
            "subject": facts.subject,
            "issuer": facts.issuer,
            "sha256": facts.fingerprint,
        })))
    }

    /// Says a message back.
    #[tool]
    async fn echo(&self, Parameters(Echo { message }): Parameters<Echo>) -> String {
        message
    }

    /// Adds two integers.
    #[tool]
    async fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> String {
        a.saturating_add(b).to_string()
    }
}

#[tool_handler]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("mcp-mtls-demo", env!("CARGO_PKG_VERSION")))
            .with_instructions("A demo behind mutual TLS. `whoami` tells which certificate you came with.")
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, refusals: Refusals) {
    // The default configuration accepts the host names of this machine with any port, and no others.
    let mcp = StreamableHttpService::new(
        || Ok(Tools),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let mcp = TowerToHyperService::new(mcp);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, acceptor.clone(), mcp.clone(), refusals.clone()));
            }
            // Out of file descriptors, for instance: it gets better when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, mcp: Mcp, refusals: Refusals) {
    // Without it Nagle's algorithm and delayed acknowledgements add 40 ms to small answers.
    let _ = stream.set_nodelay(true);
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            refusals.lock().unwrap_or_else(PoisonError::into_inner).push(reason(&error));
            return;
        }
    };
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let Some(facts) = leaf.and_then(|leaf| CertificateFacts::parse(leaf).ok()) else { return };
    let peer = Peer(Arc::new(facts));
    let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.clone());
        mcp.call(request)
    });
    let connection = auto::Builder::new(TokioExecutor::new());
    // How a connection ends concerns its client alone.
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

type Mcp = TowerToHyperService<StreamableHttpService<Tools, LocalSessionManager>>;

fn tls(ca: &Minted, server: &Minted) -> Result<rustls::ServerConfig, Box<dyn std::error::Error>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes())?)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build()?;
    let chain = vec![CertificateDer::from_pem_slice(server.certificate_pem().as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(server.key_pem().expose().as_bytes())?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn reason(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    tls.map_or_else(|| error.to_string(), ToString::to_string)
}

fn not_started(cause: impl std::fmt::Display) -> Failure {
    Failure::new(Code::SystemFailed, "The demo's server cannot be started")
        .because("This computer gives it no socket on loopback, or its certificate cannot be used.")
        .cause(cause)
}
