//! A model on loopback that asks for one call of the tool `echo`, and keeps what the host sent as its result.

mod dialect;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use dialect::Dialect;

/// The endpoint. It ends when dropped.
pub(super) struct Model {
    port: u16,
    told: Arc<Mutex<Told>>,
    _serves: JoinSet<()>,
}

/// What hosts have told it.
#[derive(Default)]
struct Told {
    requests: Vec<String>,
    results: Vec<String>,
}

impl Model {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.unwrap_or_else(|e| panic!("a listener on loopback: {e}"));
        let port = listener.local_addr().unwrap_or_else(|e| panic!("its port: {e}")).port();
        let told = Arc::new(Mutex::new(Told::default()));
        let mut serves = JoinSet::new();
        serves.spawn(serve(listener, Arc::clone(&told)));
        Self { port, told, _serves: serves }
    }

    /// Its root, without the path of any of its dialects.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asserts that the host called the tool for it and sent what the server answered.
    pub(super) fn expect_echo(&self, said: &str) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let echoed = told.results.iter().any(|result| result.contains("Echo: hi"));
        assert!(echoed, "the model was sent {:?} by {:#?}; the host said:\n{said}", told.results, told.requests);
    }
}

async fn serve(listener: TcpListener, told: Arc<Mutex<Told>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let told = Arc::clone(&told);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, &told));
            // A host may hang up whenever it likes.
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, told: &Mutex<Told>) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri().path());
    let dialect = Dialect::of(request.uri().path()).filter(|_| request.method() == Method::POST);
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();

    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    told.requests.push(line);
    let Some(dialect) = dialect else { return Ok(reply("application/json", "{}".into())) };
    let results = dialect.results(&asked);
    let text = match dialect.echo(&asked) {
        Some(echo) if results.is_empty() => dialect.calls(&echo),
        // The result has come, or it was asked for something else, such as a title.
        _ => dialect.says("It is done."),
    };
    told.results.extend(results);
    Ok(reply("text/event-stream", text))
}

fn reply(kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
