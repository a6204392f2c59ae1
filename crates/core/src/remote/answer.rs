//! The answer to a POSTed request, in each of the forms a server may give it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::events::{self, Events};
use super::message::{Id, Kind, Message};
use super::{MESSAGE_LIMIT, Outbox};
use crate::error::{Code, Failure, Result, quoted};
use crate::http::{Body, Response, StatusCode, header};

/// Reads the answer to the request `id`; other messages go to `outbox`. What is left of an event
/// stream after the answer is read in the background, so that its connection is used again.
pub(super) async fn finish(
    response: Response,
    id: &Id,
    outbox: &Outbox,
    rests: &Mutex<JoinSet<()>>,
) -> Result<Message> {
    if !response.status.is_success() {
        return error_answer(response, id).await;
    }
    match response.media_type().as_str() {
        "application/json" => json(response.body, id, outbox).await,
        "text/event-stream" => {
            let (answer, rest) = stream(Events::new(response.body), id, outbox).await?;
            let mut rests = rests.lock().unwrap_or_else(PoisonError::into_inner);
            while rests.try_join_next().is_some() {}
            rests.spawn(drain(rest, outbox.clone()));
            Ok(answer)
        }
        _ => Err(not_mcp(response).await),
    }
}

/// An HTTP error as a [`Failure`]; its body is read for the reason.
pub(super) async fn failure_of_status(response: Response) -> Failure {
    let (head, body) = parts(response).await;
    head.failure(&body)
}

async fn json(body: Body, id: &Id, outbox: &Outbox) -> Result<Message> {
    let mut answer = None;
    for message in events::read(body.collect(MESSAGE_LIMIT).await?.into())? {
        match message.kind() {
            Kind::Response { id: Some(of), .. } if of == id => answer = Some(message),
            // The server could not tell whose error it is; it can be of this request only.
            Kind::Response { id: None, .. } => answer = Some(message.with_id(id)),
            _ => pass(outbox, message).await,
        }
    }
    answer.ok_or_else(|| {
        Failure::new(Code::ProtocolViolation, "The server's response holds no answer to the request")
            .because("Its messages have other ids.")
    })
}

async fn stream(mut stream: Events, id: &Id, outbox: &Outbox) -> Result<(Message, Events)> {
    let mut malformed = None;
    while let Some(event) = stream.next().await {
        let event = event?;
        malformed = malformed.or(event.malformed);
        let mut answer = None;
        for message in event.messages {
            match message.kind() {
                Kind::Response { id: Some(of), .. } if of == id => answer = Some(message),
                Kind::Response { id: None, .. } => answer = Some(message.with_id(id)),
                _ => pass(outbox, message).await,
            }
        }
        if let Some(answer) = answer {
            return Ok((answer, stream));
        }
    }
    if let Some(malformed) = malformed {
        return Err(events::no_message(malformed));
    }
    Err(Failure::new(Code::ConnectionLost, "The server ended the stream without the answer")
        .because("The request may have been carried out all the same."))
}

async fn drain(mut events: Events, outbox: Outbox) {
    let mut settling = events.settling();
    let mut limit = SETTLING;
    loop {
        match tokio::time::timeout(limit, events.next()).await {
            Ok(Some(Ok(event))) => {
                for message in event.messages {
                    pass(&outbox, message).await;
                }
            }
            Err(_) if settling.is_some() => {
                settling = None;
                limit = REST;
            }
            // A server that never ends its streams would otherwise use up its connections and ours.
            _ => return,
        }
    }
}

async fn pass(outbox: &Outbox, message: Message) {
    // Without a reader the host is gone, and all work is about to end.
    let _ = outbox.send(message).await;
}

async fn error_answer(response: Response, id: &Id) -> Result<Message> {
    let (head, body) = parts(response).await;
    for message in Message::read(body.clone().into()).into_iter().flatten() {
        match message.kind() {
            Kind::Response { id: Some(of), error: true } if of == id => return Ok(message),
            Kind::Response { error: true, .. } => return Ok(message.with_id(id)),
            _ => {}
        }
    }
    Err(head.failure(&body))
}

async fn not_mcp(response: Response) -> Failure {
    let (head, body) = parts(response).await;
    let media_type = if head.media_type.is_empty() { "nothing".to_owned() } else { quoted(&head.media_type) };
    Failure::new(Code::ProtocolViolation, "The server did not answer the request as an MCP server does")
        .at(format!("HTTP {}", head.status))
        .because(format!(
            "The answer is {media_type}, not application/json or text/event-stream; it begins {}.",
            words(&body)
        ))
        .fix("Check that the URL is that of the MCP endpoint, with its path.")
}

/// The head of a failed response, with what it says of the certificate.
struct Head {
    status: StatusCode,
    media_type: String,
    challenge: Option<String>,
    certificate_not_asked: bool,
    /// Why the certificate was missing or refused, when the body is a TLS terminator's word on it.
    refused: Option<Failure>,
}

async fn parts(response: Response) -> (Head, Vec<u8>) {
    let challenge = response.headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let mut head = Head {
        status: response.status,
        media_type: response.media_type(),
        challenge: challenge.map(quoted),
        certificate_not_asked: response.certificate_not_asked(),
        refused: None,
    };
    let (explain, body) = response.split();
    let body = body.beginning(ERROR_BODY, ERROR_TIME).await;
    let text = String::from_utf8_lossy(&body);
    if CERTIFICATE_WORDS.iter().any(|words| text.contains(words)) {
        head.refused = Some(explain.refused(&first_words(&text)));
    }
    (head, body)
}

impl Head {
    fn failure(self, body: &[u8]) -> Failure {
        if let Some(refused) = self.refused {
            return refused;
        }
        if String::from_utf8_lossy(body).contains(PLAIN_WORDS) {
            return Failure::new(Code::NotPlain, "The server speaks TLS, and the URL says http")
                .because(format!("It answered {}.", words(body)))
                .fix("Write https:// in the URL.");
        }
        let status = self.status.as_u16();
        let mut failure = Failure::new(Code::HttpStatus, format!("The server answered HTTP {}", self.status))
            .because(format!("Its answer begins {}.", words(body)))
            .evidence("status", status);
        if let Some(challenge) = self.challenge {
            failure = failure.because(format!("It asks for credentials: {challenge}."));
        }
        if self.certificate_not_asked && matches!(status, 401 | 403) {
            failure = failure
                .because("It did not ask for the client certificate on this connection, so none was shown.")
                .fix("Have the server ask for a certificate on this host and port; asking after the URL is read cannot work over TLS 1.3.");
        }
        match status {
            401 => failure
                .fix("Send the credentials that it wants in `headers`: \"Authorization\": \"Bearer {env:TOKEN}\"."),
            403 => failure.fix("Have access granted to the owner of the certificate or the credentials."),
            404 | 405 => failure.fix("Check the path of the URL: it must be the MCP endpoint itself."),
            413 => failure.fix("Have the limit of the server, or of the proxy before it, raised."),
            _ => failure,
        }
    }
}

/// The words of a body that say most, quoted.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = first_words(&text);
    if words.is_empty() { "with nothing".to_owned() } else { quoted(&words) }
}

/// The title of a page, or the first line that is not empty.
fn first_words(text: &str) -> String {
    let title =
        text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title.trim());
    let line = || text.lines().map(str::trim).find(|line| !line.is_empty());
    title.or_else(line).unwrap_or_default().to_owned()
}

/// What nginx says, with status 400, of a certificate that is missing or refused.
const CERTIFICATE_WORDS: [&str; 2] = ["No required SSL certificate was sent", "The SSL certificate error"];
/// What nginx says, with status 400, to HTTP on its TLS port.
const PLAIN_WORDS: &str = "The plain HTTP request was sent to HTTPS port";

/// How much of the body of an HTTP error is read.
const ERROR_BODY: usize = 1 << 20;
const ERROR_TIME: Duration = Duration::from_secs(2);
/// How long a stream may say nothing after its answer before it is closed.
const REST: Duration = Duration::from_secs(2);
/// How long the end of a stream is expected after the answer.
const SETTLING: Duration = Duration::from_millis(5);
