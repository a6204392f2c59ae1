//! An HTTP error in answer to a message: a JSON-RPC error in it is the answer, else it is told.

mod status;

use std::time::Duration;

use super::events::without_mark;
use super::message::{Id, Kind, Message};
use crate::error::{Code, Failure, Result, plain, quoted};
use crate::http::{Explain, Response, StatusCode, header, is_of_certificate, not_renewed};

/// An HTTP error.
pub(super) struct Refusal {
    head: Head,
    body: Vec<u8>,
}

impl Refusal {
    /// Reads the body, for the reason in it.
    pub(super) async fn read(response: Response) -> Self {
        let (head, body) = parts(response).await;
        Self { head, body }
    }

    /// The answer to the request `id`.
    ///
    /// # Errors
    /// The HTTP error, when it holds no JSON-RPC error.
    pub(super) fn answer(self, id: &Id) -> Result<Message> {
        match self.error() {
            Some(error) if matches!(error.kind(), Kind::Response { id: Some(of), .. } if of == id) => Ok(error),
            // The server could not tell whose error it is, or did not care; it can be of this request only.
            Some(error) => Ok(error.with_id(id)),
            None => Err(self.into_failure()),
        }
    }

    /// The HTTP error as a [`Failure`].
    pub(super) fn into_failure(self) -> Failure {
        self.head.failure(&self.body)
    }

    /// Whether it says that the server has lost the session whose id the request carried: 404, but
    /// for an unknown method, and a 400 that names the session, as some servers have it.
    pub(super) fn is_of_lost_session(&self) -> bool {
        let error = self.error();
        let code = error.as_ref().and_then(|error| error.part("/error/code"));
        match self.head.status {
            StatusCode::NOT_FOUND => code.is_none_or(|code| code != METHOD_NOT_FOUND),
            StatusCode::BAD_REQUEST => {
                let said = error.and_then(|error| error.part("/error/message"));
                let said = match &said {
                    Some(message) => message.as_str().unwrap_or_default().to_ascii_lowercase(),
                    None => first_words(&String::from_utf8_lossy(&self.body)).to_ascii_lowercase(),
                };
                // The second is what a fresh server of the TypeScript SDK says to an old session.
                said.contains("session") || said.contains("server not initialized")
            }
            _ => false,
        }
    }

    /// Whether a server of the transport HTTP+SSE (2024-11-05) may have said it to `initialize`:
    /// not with an error of a modern server, and not a TLS terminator about the certificate.
    pub(super) fn may_be_http_sse(&self) -> bool {
        let code = self.error().and_then(|error| error.part("/error/code")).and_then(|code| code.as_i64());
        let modern = match code {
            Some(METHOD_NOT_FOUND) => self.head.status == StatusCode::NOT_FOUND,
            Some(code) => OF_THE_SPECIFICATION.contains(&code),
            None => false,
        };
        let of_transport = self.head.refused.is_some() || is_of_plain(&String::from_utf8_lossy(&self.body));
        matches!(self.head.status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
            && !modern
            && !of_transport
    }

    /// The JSON-RPC error in the body.
    fn error(&self) -> Option<Message> {
        let messages = Message::read(without_mark(self.body.clone().into())).into_iter().flatten();
        let is_error = |message: &Message| matches!(message.kind(), Kind::Response { error: true, .. });
        messages.into_iter().find(|message| is_error(message) && message.is_sound())
    }
}

/// A successful response that is not MCP, told.
pub(super) async fn not_mcp(response: Response) -> Failure {
    let (head, body) = parts(response).await;
    if head.status == StatusCode::ACCEPTED {
        return Failure::new(Code::ProtocolViolation, "The server only accepted the request, and did not answer it")
            .at(head.asked.clone())
            .because("A request is answered by a message; only notifications are accepted (HTTP 202).")
            .fix("Check that the URL is that of the MCP endpoint, with its path.");
    }
    let failure = Failure::new(Code::NotMcp, "What answers at this URL is no MCP server")
        .at(head.asked.clone())
        .evidence("status", head.status.as_u16())
        .evidence("content_type", plain(&head.media_type));
    let check = "Check that the URL is that of the MCP endpoint, with its path.";
    if body.is_empty() {
        return failure.because(format!("It answered HTTP {} with an empty body.", head.status.as_u16())).fix(check);
    }
    let media_type = if head.media_type.is_empty() { "nothing".to_owned() } else { quoted(&head.media_type) };
    let failure = failure
        .because(format!("The answer is {media_type}, not application/json or text/event-stream."))
        .because(head.beginning());
    if is_login(&body) {
        return failure
            .because("It has a field for a password: likely a login page stands before the server.")
            .fix("Have the server's URL let in clients that present a certificate or a token; else set the token in `headers`.")
            .fix(check);
    }
    failure.fix(check)
}

/// The failure for what came instead of a message where nothing had said yet that this is an MCP server.
pub(super) fn no_message_at_all(asked: String, words: &str) -> Failure {
    Failure::new(Code::NotMcp, "What answers at this URL is no MCP server")
        .at(asked)
        .because(format!("What it sent {words}."))
        .fix("Check that the URL is that of the MCP endpoint, with its path.")
}

/// Whether the page asks for a password.
fn is_login(body: &[u8]) -> bool {
    let page = String::from_utf8_lossy(body).to_ascii_lowercase();
    page.contains("type=\"password\"") || page.contains("type='password'") || page.contains("type=password")
}

/// A compressed body, of a server that was not told that any would be read.
pub(super) fn compressed(asked: String, coding: &str) -> Failure {
    Failure::new(Code::ProtocolViolation, "The server compressed its answer, which was not asked for")
        .at(asked)
        .because(format!("Its `Content-Encoding` is {}, and the request has no `Accept-Encoding`.", quoted(coding)))
        .fix("Have the server, or the proxy before it, send its answers uncompressed.")
}

/// The head of a failed response, with what it says of the certificate.
struct Head {
    status: StatusCode,
    /// Method and URL of the request.
    asked: String,
    media_type: String,
    challenge: Option<String>,
    /// How many seconds a client shall wait.
    retry_after: Option<u64>,
    /// The words of the body that say most, without secrets of ours.
    said: String,
    /// How the body is compressed, of which nothing is told then.
    coding: Option<String>,
    certificate_not_asked: bool,
    certificate_missed: bool,
    /// The header of the request that looks most like credentials, and where it was set.
    credential: Option<Box<(String, String)>>,
    /// Why the entry's headers, or the certificate, could not be made again.
    not_renewed: Option<Failure>,
    /// Why the certificate was missing or refused, when the body is a TLS terminator's word on it.
    refused: Option<Failure>,
    explain: Explain,
}

async fn parts(mut response: Response) -> (Head, Vec<u8>) {
    let said = |name| response.headers.get(name).and_then(|value| value.to_str().ok());
    let challenge = said(header::WWW_AUTHENTICATE).map(str::to_owned);
    let retry_after = said(header::RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok());
    let (status, asked, media_type, coding) =
        (response.status, response.asked(), response.media_type(), response.coding());
    let certificate_not_asked = response.certificate_not_asked();
    let certificate_missed = response.certificate_missed();
    let (credential, not_renewed) = (response.credential.take(), response.not_renewed.take());
    let (explain, body) = response.split();
    let body = body.beginning(ERROR_BODY, ERROR_TIME).await;
    let text = if coding.is_none() { String::from_utf8_lossy(&body) } else { "".into() };
    let said = first_words(&explain.without_secrets(&text));
    let of_certificate = is_of_certificate(status, &media_type, &text, &said);
    let refused = of_certificate.then(|| explain.refused(status, &said).at(asked.clone()));
    let head = Head {
        challenge: challenge.map(|text| explain.without_secrets(&text)),
        status,
        asked,
        media_type,
        retry_after,
        said,
        coding,
        certificate_not_asked,
        certificate_missed,
        credential,
        not_renewed,
        refused,
        explain,
    };
    (head, body)
}

impl Head {
    /// With what the body begins.
    fn beginning(&self) -> String {
        match &self.coding {
            Some(coding) => format!("Its body is compressed ({}), and not read.", quoted(coding)),
            None if self.said.is_empty() => "Its body is empty.".to_owned(),
            None => format!("Its answer begins {}.", quoted(&self.said)),
        }
    }

    fn failure(mut self, body: &[u8]) -> Failure {
        if let Some(refused) = self.refused.take() {
            return match self.not_renewed {
                Some(why) => refused.because(not_renewed("The certificate could not be read anew", &why)),
                None => refused,
            };
        }
        if is_of_plain(&String::from_utf8_lossy(body)) {
            return Failure::new(Code::NotPlain, "The server speaks TLS, and the URL says http")
                .at(self.asked.clone())
                .because(format!("It answered {}.", quoted(&self.said)))
                .fix("Write https:// in the URL.");
        }
        self.by_status()
    }
}

/// The title of a page, or the first line that is not empty.
fn first_words(text: &str) -> String {
    let title =
        text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title.trim());
    let line = || text.lines().map(str::trim).find(|line| !line.is_empty());
    title.or_else(line).unwrap_or_default().to_owned()
}

/// JSON-RPC 2.0, section 5.1; a modern server says it with HTTP 404.
const METHOD_NOT_FOUND: i64 = -32601;
/// The codes that the MCP specification defines itself, from 2026-07-28 on.
const OF_THE_SPECIFICATION: std::ops::RangeInclusive<i64> = -32099..=-32020;

/// Whether these are the words of a server to HTTP on its TLS port.
fn is_of_plain(page: &str) -> bool {
    PLAIN_WORDS.iter().any(|words| page.contains(words))
}

/// What nginx and Apache say, with status 400, to HTTP on their TLS port.
const PLAIN_WORDS: [&str; 2] =
    ["The plain HTTP request was sent to HTTPS port", "speaking plain HTTP to an SSL-enabled server port"];

/// How much of the body of an HTTP error is read.
const ERROR_BODY: usize = 1 << 20;
const ERROR_TIME: Duration = Duration::from_secs(2);
