//! An HTTP error in answer to a message: a JSON-RPC error in it is the answer, else it is told.

use std::time::Duration;

use super::events::without_mark;
use super::message::{Id, Kind, Message};
use crate::error::{Code, Failure, Result, quoted};
use crate::http::{Response, StatusCode, header, is_of_certificate, not_renewed};

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
        let of_transport = self.head.refused.is_some() || String::from_utf8_lossy(&self.body).contains(PLAIN_WORDS);
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
    if body.is_empty() {
        return Failure::new(Code::ProtocolViolation, "The server answered the request with an empty body")
            .at(format!("HTTP {}", head.status))
            .because("A request is answered by a message; without one only notifications are accepted.")
            .fix("Check that the URL is that of the MCP endpoint, with its path.");
    }
    let media_type = if head.media_type.is_empty() { "nothing".to_owned() } else { quoted(&head.media_type) };
    Failure::new(Code::ProtocolViolation, "The server did not answer the request as an MCP server does")
        .at(format!("HTTP {}", head.status))
        .because(format!("The answer is {media_type}, not application/json or text/event-stream."))
        .because(head.beginning())
        .fix("Check that the URL is that of the MCP endpoint, with its path.")
}

/// The head of a failed response, with what it says of the certificate.
struct Head {
    status: StatusCode,
    media_type: String,
    challenge: Option<String>,
    /// How many seconds a client shall wait.
    retry_after: Option<u64>,
    /// The words of the body that say most, without secrets of ours.
    said: String,
    certificate_not_asked: bool,
    /// Why the entry's headers, or the certificate, could not be made again.
    not_renewed: Option<Failure>,
    /// Why the certificate was missing or refused, when the body is a TLS terminator's word on it.
    refused: Option<Failure>,
}

async fn parts(mut response: Response) -> (Head, Vec<u8>) {
    let said = |name| response.headers.get(name).and_then(|value| value.to_str().ok());
    let challenge = said(header::WWW_AUTHENTICATE).map(str::to_owned);
    let mut head = Head {
        status: response.status,
        media_type: response.media_type(),
        challenge: None,
        retry_after: said(header::RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()),
        said: String::new(),
        certificate_not_asked: response.certificate_not_asked(),
        not_renewed: response.not_renewed.take(),
        refused: None,
    };
    let (explain, body) = response.split();
    let body = body.beginning(ERROR_BODY, ERROR_TIME).await;
    let text = String::from_utf8_lossy(&body);
    head.challenge = challenge.map(|text| quoted(&explain.without_secrets(&text)));
    head.said = first_words(&explain.without_secrets(&text));
    if is_of_certificate(&text) {
        head.refused = Some(explain.refused(&head.said));
    }
    (head, body)
}

impl Head {
    /// With what the body begins.
    fn beginning(&self) -> String {
        if self.said.is_empty() {
            "Its body is empty.".to_owned()
        } else {
            format!("Its answer begins {}.", quoted(&self.said))
        }
    }

    fn failure(self, body: &[u8]) -> Failure {
        if let Some(refused) = self.refused {
            return match self.not_renewed {
                Some(why) => refused.because(not_renewed("The certificate could not be read anew", &why)),
                None => refused,
            };
        }
        if String::from_utf8_lossy(body).contains(PLAIN_WORDS) {
            return Failure::new(Code::NotPlain, "The server speaks TLS, and the URL says http")
                .because(format!("It answered {}.", quoted(&self.said)))
                .fix("Write https:// in the URL.");
        }
        let status = self.status.as_u16();
        let mut failure = Failure::new(Code::HttpStatus, format!("The server answered HTTP {}", self.status))
            .because(self.beginning())
            .evidence("status", status);
        if let Some(challenge) = self.challenge {
            failure = failure.because(format!("It asks for credentials: {challenge}."));
        }
        if let Some(seconds) = self.retry_after {
            failure = failure.because(format!("It asks to wait {seconds} s."));
        }
        if let Some(why) = self.not_renewed {
            failure = failure.because(not_renewed("The headers could not be renewed", &why));
        }
        if self.certificate_not_asked && matches!(status, 401 | 403) {
            failure = failure
                .because("It did not ask for the client certificate on this connection, so none was shown.")
                .fix("Have the server ask for a certificate on this host and port; asking after the URL is read cannot work over TLS 1.3.");
        }
        match status {
            401 => failure
                .fix("Send the credentials that it wants in `headers`: \"Authorization\": \"Bearer {env:TOKEN}\"; or renew those that are there."),
            403 => failure.fix("Have access granted to the owner of the certificate or the credentials."),
            404 | 405 => failure.fix("Check the path of the URL: it must be the MCP endpoint itself."),
            413 => failure.fix("Have the limit of the server, or of the proxy before it, raised."),
            _ => failure,
        }
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

/// What nginx says, with status 400, to HTTP on its TLS port.
const PLAIN_WORDS: &str = "The plain HTTP request was sent to HTTPS port";

/// How much of the body of an HTTP error is read.
const ERROR_BODY: usize = 1 << 20;
const ERROR_TIME: Duration = Duration::from_secs(2);
