//! SOCKS5 (RFC 1928), with a user name and password (RFC 1929). Written here for what a proxy says when it
//! refuses: the library that speaks it tells that in text alone.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use url::Host;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Why there is no tunnel.
#[derive(Debug)]
pub(super) enum NoTunnel {
    /// The connection broke.
    Broken(io::Error),
    /// What answers speaks something else.
    NotSocks,
    /// It takes no client without credentials, or none with these.
    Unauthorized,
    /// It wants another way of naming oneself than is known here.
    OtherMethod,
    /// A user name, password or host name longer than the protocol has room for.
    TooLong,
    /// It refuses the target, for this reason (RFC 1928, section 6).
    Refused(u8),
}

impl From<io::Error> for NoTunnel {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Has the proxy behind `stream` connect to the host; from then on the stream is to that.
pub(super) async fn tunnel<S>(
    stream: &mut S,
    credentials: Option<&(Secret, Secret)>,
    host: &Host,
    port: u16,
) -> Result<(), NoTunnel>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let methods: &[u8] = if credentials.is_some() { &[ANONYMOUS, PASSWORD] } else { &[ANONYMOUS] };
    let count = if credentials.is_some() { 2 } else { 1 };
    send(stream, &[&[VERSION, count], methods].concat()).await?;
    match (read::<2>(stream).await?, credentials) {
        ([VERSION, ANONYMOUS], _) => {}
        ([VERSION, PASSWORD], Some((user, password))) => name_oneself(stream, user, password).await?,
        ([VERSION, NONE_OF_THESE], None) => return Err(NoTunnel::Unauthorized),
        ([VERSION, _], _) => return Err(NoTunnel::OtherMethod),
        _ => return Err(NoTunnel::NotSocks),
    }
    let mut request = vec![VERSION, CONNECT, 0];
    match host {
        Host::Ipv4(address) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Host::Ipv6(address) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Host::Domain(name) => {
            request.extend([NAME, length(name)?]);
            request.extend(name.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    send(stream, &request).await?;
    let [version, reply, _, kind] = read::<4>(stream).await?;
    match (version, reply) {
        (VERSION, 0) => {}
        (VERSION, reason) => return Err(NoTunnel::Refused(reason)),
        _ => return Err(NoTunnel::NotSocks),
    }
    // The address from which the proxy connects, which says nothing here, and its port.
    let address = match kind {
        // Some have no address to tell, and send as many zeros.
        IPV4 | 0 => 4,
        IPV6 => 16,
        NAME => usize::from(read::<1>(stream).await?[0]),
        _ => return Err(NoTunnel::NotSocks),
    };
    stream.read_exact(&mut vec![0; address + 2]).await?;
    Ok(())
}

/// RFC 1929, section 2.
async fn name_oneself<S>(stream: &mut S, user: &Secret, password: &Secret) -> Result<(), NoTunnel>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (user, password) = (user.expose(), password.expose());
    let mut request = Zeroizing::new(Vec::with_capacity(3 + user.len() + password.len()));
    request.extend([1, length(user)?]);
    request.extend(user.as_bytes());
    request.push(length(password)?);
    request.extend(password.as_bytes());
    send(stream, &request).await?;
    let [_, status] = read::<2>(stream).await?;
    if status == 0 { Ok(()) } else { Err(NoTunnel::Unauthorized) }
}

fn length(text: &str) -> Result<u8, NoTunnel> {
    u8::try_from(text.len()).map_err(|_| NoTunnel::TooLong)
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// The reasons of RFC 1928, section 6, as sentences.
pub(super) fn reason(number: u8) -> &'static str {
    match number {
        2 => "Its rules do not allow this target.",
        3 => "It says that the network of the server is not reachable.",
        4 => "It says that the server is not reachable, or that its name does not resolve.",
        5 => "It says that the server refuses connections.",
        6 => "It says that the server is too far away (TTL expired).",
        7 => "It opens no connections for others (CONNECT).",
        8 => "It takes no targets of this kind (name, IPv4 or IPv6).",
        _ => "It failed, and does not say why.",
    }
}

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const ANONYMOUS: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_OF_THESE: u8 = 0xff;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a proxy that answers so, and hangs up.
    async fn of(answers: &[u8], with_credentials: bool) -> Result<(), NoTunnel> {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(answers).await.unwrap();
        theirs.shutdown().await.unwrap();
        let credentials = (Secret::new("me".into()), Secret::new("hunter2".into()));
        let host = Host::Domain("corp.example".to_owned());
        tunnel(&mut ours, with_credentials.then_some(&credentials), &host, 443).await
    }

    #[tokio::test]
    async fn each_refusal_of_a_proxy_is_told_from_the_others() {
        assert!(of(&[5, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 9], false).await.is_ok());
        assert!(of(&[5, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0], false).await.is_ok());
        assert!(of(&[5, 2, 1, 0, 5, 0, 0, 3, 1, b'x', 0, 9], true).await.is_ok());
        assert!(matches!(of(&[5, 0xff], false).await, Err(NoTunnel::Unauthorized)));
        assert!(matches!(of(&[5, 0xff], true).await, Err(NoTunnel::OtherMethod)));
        assert!(matches!(of(&[5, 2, 1, 1], true).await, Err(NoTunnel::Unauthorized)));
        assert!(matches!(of(&[5, 0, 5, 2, 0, 1], false).await, Err(NoTunnel::Refused(2))));
        assert!(matches!(of(b"HTTP/1.1 400 Bad Request", false).await, Err(NoTunnel::NotSocks)));
        assert!(matches!(of(&[5], false).await, Err(NoTunnel::Broken(_))));
    }
}
