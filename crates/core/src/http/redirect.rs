//! Whether a redirect is followed.

use url::Url;

use super::{Client, Response, StatusCode, bare, header};
use crate::config::told;
use crate::error::{Code, Failure, Result, brief, plain, quoted};

impl Client {
    /// The target of a redirect, when it may be followed.
    pub(super) fn target(&self, url: &Url, response: &Response) -> Result<Url> {
        let location = response.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let target = location.and_then(|location| url.join(location).ok());
        let kept = matches!(response.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let failure = |why: String| {
            Failure::new(
                Code::RedirectRefused,
                format!("{} redirects the request, which is not followed", brief(&told(url))),
            )
            // After a redirect it is what the server named.
            .at(plain(&told(url)))
            .because(why)
        };
        match (target, location) {
            (Some(target), _) if kept && target.origin() == self.url.origin() => Ok(bare(target)),
            (Some(target), _) if kept => Err(failure(format!(
                "The target {} is of another origin, where certificate, headers and message must not go.",
                quoted(&told(&target))
            ))
            .fix(format!("If you trust it, write {} in `url`.", quoted(&brief(&told(&target)))))),
            (Some(target), _) => Err(failure(format!(
                "HTTP {} to {} would turn the message into a GET; login pages answer like that.",
                response.status.as_u16(),
                quoted(&told(&target))
            ))
            .fix("Check the URL, and whether the server wants credentials in `headers`.")),
            (None, Some(location)) => {
                Err(failure(format!("Its target {} is no URL.", quoted(location))).fix(MEND_REDIRECT))
            }
            (None, None) => {
                Err(failure(format!("HTTP {} came without a target.", response.status.as_u16())).fix(MEND_REDIRECT))
            }
        }
    }
}

const MEND_REDIRECT: &str = "Check the path of the URL, and tell whoever runs the server.";
