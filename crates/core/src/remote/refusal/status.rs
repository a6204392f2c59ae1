//! What the HTTP status of a failed response means, and what to do about it.

use super::Head;
use crate::error::{Code, Failure, brief, quoted};
use crate::http::not_renewed;

impl Head {
    /// The failure for a status that is an error.
    pub(super) fn by_status(self) -> Failure {
        let status = self.status.as_u16();
        // With a challenge, or after a token, a 401 is about that.
        let of_token = self.challenge.is_some() || self.credential.is_some();
        let of_certificate = self.certificate_not_asked || self.certificate_missed;
        if of_certificate && (status == 403 || status == 401 && !of_token) {
            let failure = self.explain.unasked(status);
            return self.with_words(failure);
        }
        if (status == 403 || status == 401 && !of_token)
            && let Some(failure) = self.explain.unaccepted(status)
        {
            return self.with_words(failure);
        }
        let failure = match status {
            401 => self.unauthorized(),
            403 => self.forbidden(),
            404 | 405 | 410 => not_found(status),
            421 => self.misdirected(),
            500..=599 => server_error(status),
            _ => other(status, self.retry_after),
        };
        let failure = if self.certificate_not_asked && status == 401 {
            failure
                .because("It did not ask for the client certificate on this connection, so none was presented.")
                .fix("If the certificate shall do instead, have the server ask for one on the whole host and port.")
        } else {
            failure
        };
        self.with_words(failure)
    }

    /// Adds where it was, and the words of the server, of which any may be those of a proxy before it.
    fn with_words(self, failure: Failure) -> Failure {
        let failure = failure.at(self.asked.clone()).because(self.beginning()).evidence("status", self.status.as_u16());
        let failure = match self.retry_after {
            Some(seconds) => failure.because(format!("It asks to wait {seconds} s.")).evidence("retry_after", seconds),
            None => failure,
        };
        match self.not_renewed {
            Some(why) => failure.because(not_renewed("The headers could not be renewed", &why)),
            None => failure,
        }
    }

    fn unauthorized(&self) -> Failure {
        let of = |what: String| Failure::new(Code::HttpUnauthorized, what);
        let failure = match self.credential.as_deref() {
            Some((name, place)) => {
                of(format!("The server refuses the credentials in the header {} (HTTP 401)", brief(name)))
                    .at(place.clone())
                    .fix(format!("Renew what `headers` gives for {}: likely it has expired.", brief(name)))
            }
            None => of("The server wants credentials (HTTP 401)".to_owned()).fix(match self.scheme().as_deref() {
                Some("basic") => {
                    "Set `headers` by reference: \"Authorization\": \"Basic {env:LOGIN}\", the base64 of USER:PASSWORD."
                }
                Some("negotiate" | "ntlm" | "digest") => {
                    "Have the server take a token or a client certificate: this way to log in is not spoken here."
                }
                _ => "Set `headers` to a token by reference: \"Authorization\": \"Bearer {env:TOKEN}\".",
            }),
        };
        let Some(challenge) = &self.challenge else { return failure };
        let failure = failure.because(format!("It asks for credentials: {}.", quoted(challenge)));
        if self.scheme().as_deref() == Some("bearer") {
            return failure.because(
                "Likely that is OAuth. There is no login for it here, so the token must come from elsewhere.",
            );
        }
        failure
    }

    /// The first way to log in that the server names, in lower case.
    fn scheme(&self) -> Option<String> {
        self.challenge.as_ref()?.split_whitespace().next().map(str::to_ascii_lowercase)
    }

    fn forbidden(&self) -> Failure {
        let failure = Failure::new(Code::HttpForbidden, "The server forbids access (HTTP 403)");
        match (self.explain.who(), self.credential.as_deref()) {
            (Some(who), _) => failure
                .because(format!("The client certificate is {}.", quoted(&who)))
                .fix(format!("Have the server grant access to {}.", brief(&quoted(&who)))),
            (None, Some((name, place))) => failure
                .at(place.clone())
                .fix(format!("Have the server grant access to the owner of what the header {} carries.", brief(name))),
            (None, None) => failure.fix("Set `cert` and `key`, or a token in `headers`: nothing says who you are."),
        }
    }

    fn misdirected(&self) -> Failure {
        let what = "The server does not serve this host over such a connection (HTTP 421)";
        let failure = Failure::new(Code::HttpMisdirected, what);
        match self.explain.server_name() {
            Some((name, origin)) => failure
                .at(origin)
                .because(format!(
                    "`serverName` is {}, and the request is for the host of the URL; likely they must be the same.",
                    quoted(&name)
                ))
                .fix("Remove `serverName`, and write its name as the host of the URL."),
            None => failure
                .because("Likely the name in TLS leads to another server than the host of the request.")
                .fix("Check the host of the URL."),
        }
    }
}

fn not_found(status: u16) -> Failure {
    let what = match status {
        405 => "There is no MCP endpoint at this path: it does not take the method (HTTP 405)",
        410 => "There is no MCP endpoint at this path any more (HTTP 410)",
        _ => "There is no MCP endpoint at this path (HTTP 404)",
    };
    Failure::new(Code::HttpNotFound, what)
        .fix("Check the path of the URL: it must be the MCP endpoint itself, often /mcp.")
        .fix("A server of HTTP+SSE (MCP 2024-11-05) wants the URL of its stream, often /sse, and \"type\": \"sse\".")
}

fn server_error(status: u16) -> Failure {
    let (what, fix) = match status {
        501 => ("The server cannot do that", "Check the path of the URL: it must be the MCP endpoint itself."),
        502 => (
            "The proxy got no valid answer from the server",
            "Check that the MCP server runs, and that the proxy before it reaches it.",
        ),
        503 => ("The server is not available", "Try again later; if it stays so, look into the server's log."),
        504 => (
            "The server did not answer its proxy in time",
            "Check that the MCP server runs; else raise the time limit of the proxy before it.",
        ),
        _ => ("The server failed", "Look into the server's log."),
    };
    Failure::new(Code::HttpServerError, format!("{what} (HTTP {status})")).fix(fix)
}

fn other(status: u16, retry_after: Option<u64>) -> Failure {
    let words = ::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let name = words.map_or_else(String::new, |words| format!(" {words}"));
    let fix = match (status, retry_after) {
        (429, Some(seconds)) => format!("Call again after {seconds} s."),
        (429, None) => "Call again later: it was called too often.".to_owned(),
        (413, _) => "Have the limit of the server, or of the proxy before it, raised.".to_owned(),
        (407, _) => "Have the proxy before the server let it through, or set `proxy` if it is yours.".to_owned(),
        (406 | 411 | 415 | 426 | 505, _) => "Check that the URL is that of an MCP endpoint.".to_owned(),
        (431, _) => "Remove what is not needed from `headers`.".to_owned(),
        (402, _) => "Have the access paid for.".to_owned(),
        (400..=499, _) => "Look into the server's log for the reason, or ask whoever runs it.".to_owned(),
        _ => "Check that the URL is that of an MCP endpoint, and look into the server's log.".to_owned(),
    };
    Failure::new(Code::HttpStatus, format!("The server answered HTTP {status}{name}")).fix(fix)
}
