//! Opens TCP to a host: resolves its name, and tries its addresses as RFC 8305 says.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use url::Host;

use super::Peer;
use super::evidence::{Record, Step};
use crate::error::{Code, Failure, Result, brief, first_few};

/// Opens TCP to `host`, the server or a proxy, with `TCP_NODELAY`.
///
/// # Errors
/// `name-unresolved`, `connect-failed`.
pub(crate) async fn dial(host: &Host, port: u16, peer: Peer, record: &Record) -> Result<TcpStream> {
    record.reach(Step::Resolve);
    let addresses = resolve(host, port, peer).await?;
    record.reach(Step::Connect);
    record.lock().resolved.clone_from(&addresses);
    let stream = first(&addresses).await.map_err(|error| unreachable(host, port, peer, &addresses, &error))?;
    // A message is written whole; waiting for more before it is sent only costs time.
    let _ = stream.set_nodelay(true);
    notice_silence(&stream);
    record.lock().address = stream.peer_addr().ok();
    Ok(stream)
}

/// Has the system end a connection whose other end acknowledges nothing any more. An answer may
/// take hours, in which no byte is sent: without probes a network that went away is never noticed.
fn notice_silence(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER);
    #[cfg(any(
        target_os = "android",
        target_os = "freebsd",
        target_os = "linux",
        target_os = "macos",
        target_os = "netbsd",
        target_os = "windows"
    ))]
    let probes = probes.with_interval(PROBE_INTERVAL).with_retries(PROBES);
    // A system that has no such option notices later; the connection works all the same.
    let _ = socket.set_tcp_keepalive(&probes);
    // While data is under way no probes are sent, and resending it goes on for 15 minutes.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket.set_tcp_user_timeout(Some(SILENCE));
}

async fn resolve(host: &Host, port: u16, peer: Peer) -> Result<Vec<SocketAddr>> {
    let name = match host {
        // A literal needs no resolver, which would cost a thread.
        Host::Ipv4(address) => return Ok(vec![(IpAddr::from(*address), port).into()]),
        Host::Ipv6(address) => return Ok(vec![(IpAddr::from(*address), port).into()]),
        Host::Domain(name) => name,
    };
    let failure = Failure::new(Code::NameUnresolved, format!("The host name `{}` cannot be resolved", brief(name)))
        .at(name.clone())
        .fix(match peer {
            Peer::Server => "Check the spelling of the host in the URL.",
            Peer::Proxy => "Check the spelling of the host in `proxy` (--proxy, or HTTPS_PROXY).",
        })
        .fix("If the name exists only inside a network, connect to that network (VPN).");
    match tokio::net::lookup_host((name.as_str(), port)).await {
        Ok(addresses) => match interleaved(addresses.collect()) {
            addresses if addresses.is_empty() => Err(failure.because("The name has no address.")),
            addresses => Ok(addresses),
        },
        Err(error) => Err(failure.because("This machine's resolver gives no address for it.").cause(error)),
    }
}

/// IPv6 and IPv4 in turn, beginning with the family that the system prefers (RFC 8305, section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (mut preferred, mut other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first);
    let mut turns = Vec::new();
    preferred.reverse();
    other.reverse();
    while let Some(address) = preferred.pop() {
        turns.push(address);
        turns.extend(other.pop());
    }
    other.reverse();
    turns.extend(other);
    turns
}

/// The first address that answers; the next is tried after a failure or a short wait.
async fn first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    if let [only] = addresses {
        return TcpStream::connect(only).await;
    }
    let mut rest = addresses.iter().copied();
    let mut attempts = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = rest.next() {
            attempts.spawn(TcpStream::connect(address));
        } else if attempts.is_empty() {
            return Err(last);
        }
        let more = rest.len() > 0;
        tokio::select! {
            Some(attempt) = attempts.join_next() => match attempt {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(error) => last = io::Error::other(error),
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if more => {}
        }
    }
}

fn unreachable(host: &Host, port: u16, peer: Peer, addresses: &[SocketAddr], error: &io::Error) -> Failure {
    let tried: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let target = brief(&format!("{host}:{port}"));
    let failure = |what: String| {
        Failure::new(Code::ConnectFailed, what)
            .at(format!("tried {}", first_few(&tried)))
            .because_of(error)
            .evidence("addresses", tried.clone())
    };
    let target = match peer {
        Peer::Server => target,
        Peer::Proxy => format!("The proxy {target}"),
    };
    let check = match peer {
        Peer::Server => "Check the host and port of the URL, and that the server runs.",
        Peer::Proxy => "Check the host and port in `proxy` (--proxy, or HTTPS_PROXY), and that the proxy runs.",
    };
    match error.kind() {
        io::ErrorKind::ConnectionRefused => failure(format!("{target} refuses connections")).fix(check),
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::TimedOut => failure(format!("{target} is not reachable from here")).fix(match peer {
            Peer::Server => "Connect to the network (VPN) that the server is in.",
            Peer::Proxy => "Connect to the network (VPN) that the proxy is in.",
        }),
        io::ErrorKind::PermissionDenied => failure(format!("This machine lets no connection out to {target}"))
            .fix("Allow it in the firewall or sandbox of this machine."),
        _ => failure(format!("No connection to {target}")).fix("Check the network.").fix(check),
    }
}

/// RFC 8305, section 5, "Connection Attempt Delay".
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// With these a dead network is noticed after 25 s at most, on an idle connection or one in use;
/// hosts that give up at all do so after 30 s or more.
const PROBE_AFTER: Duration = Duration::from_secs(10);
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;
#[cfg(any(target_os = "android", target_os = "linux"))]
const SILENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let given = vec![at("[::1]:1"), at("[::2]:1"), at("1.1.1.1:1"), at("[::3]:1"), at("2.2.2.2:1")];
        let turns = [at("[::1]:1"), at("1.1.1.1:1"), at("[::2]:1"), at("2.2.2.2:1"), at("[::3]:1")];
        assert_eq!(interleaved(given), turns);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn silence_is_noticed_on_every_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = Host::Ipv4(std::net::Ipv4Addr::LOCALHOST);
        let stream = dial(&host, port, Peer::Server, &Record::new(String::new())).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), PROBE_AFTER);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), PROBE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(SILENCE));
        assert!(PROBE_AFTER + PROBE_INTERVAL * PROBES <= Duration::from_secs(25));
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_live_one() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = listener.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = closed.local_addr().unwrap();
        drop(closed);
        assert_eq!(first(&[dead, live]).await.unwrap().peer_addr().unwrap(), live);
        assert_eq!(first(&[dead, dead]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
