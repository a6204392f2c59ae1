//! Explains a server whose certificate leads to no trusted root. One verdict of the verifier has several causes,
//! which what was presented tells apart.

use super::Untrusted;
use crate::error::{Code, Failure, brief, first_few, quoted};
use crate::identity::facts::{CertificateFacts, may_be_below};
use crate::tls::Peer;

pub(super) fn unknown(server: &Untrusted<'_>) -> Failure {
    let of = |code, what: &str| Failure::new(code, format!("The certificate of {} {what}", brief(server.target)));
    let Some(leaf) = server.chain.first() else { return of(Code::ServerIssuerUnknown, "is signed by an unknown CA") };
    if leaf.self_issued {
        let failure = of(Code::ServerSelfSigned, "is signed by itself").because(format!("It is {}.", server.subject()));
        return with_trusted(server, failure)
            .fix("Get the certificate from whoever runs the server, and set `ca` (--ca) to it.")
            .fix(fetch(server, "What the server presents can be saved, to be compared with the owner's"))
            .evidence("issuer", leaf.issuer.clone());
    }
    let end = server.end_of_chain(leaf);
    let issuer = quoted(&end.issuer);
    if end.fingerprint != leaf.fingerprint {
        let failure = of(Code::ServerIssuerUnknown, "is signed by an unknown CA").because(format!(
            "It is {}, issued by {}, and the chain ends at the issuer {issuer}.",
            server.subject(),
            quoted(&leaf.issuer)
        ));
        return with_trusted(server, failure)
            .fix(format!("Set `ca` (--ca) to the certificate of {}.", brief(&issuer)))
            .fix(fetch(server, "What it presents of that CA can be saved, to be compared with the owner's"))
            .evidence("issuer", leaf.issuer.clone());
    }
    // Sent twice it still comes alone.
    let others: Vec<_> = server.chain.iter().filter(|facts| facts.fingerprint != leaf.fingerprint).collect();
    let alone = if others.is_empty() {
        format!("It is {}, and comes alone; of its issuer {issuer} the server presents nothing.", server.subject())
    } else {
        let titles: Vec<_> = others.iter().map(|facts| quoted(facts.title())).collect();
        format!(
            "It is {}, issued by {issuer}, of which the server presents nothing: what it sends besides, {}, did not sign it.",
            server.subject(),
            first_few(&titles)
        )
    };
    let failure = if is_below_a_trusted_one(server, leaf) {
        with_trusted(server, of(Code::ServerChainIncomplete, "likely comes without its intermediate").because(alone))
            .because("The issuer has the name of one below them; likely it is the missing link.")
            .fix("Have the server send the intermediate certificates too.")
            .fix(format!("Or set `ca` (--ca) to the certificate of {}.", brief(&issuer)))
    } else {
        with_trusted(server, of(Code::ServerIssuerUnknown, "is signed by an unknown CA").because(alone))
            .fix(format!("Set `ca` (--ca) to the certificate of {}, or of the root above.", brief(&issuer)))
            .fix("If that root is trusted already, have the server send the intermediate certificates too.")
    };
    failure.evidence("issuer", leaf.issuer.clone())
}

/// Whether the issuer has the name of a CA below one of `ca`. Nothing proves it: it was not presented.
fn is_below_a_trusted_one(server: &Untrusted<'_>, leaf: &CertificateFacts) -> bool {
    let names = server.tls.trust.names();
    names.iter().all(|name| *name != leaf.issuer_der) && names.iter().any(|name| may_be_below(&leaf.issuer_der, name))
}

/// Says what is trusted instead.
fn with_trusted(server: &Untrusted<'_>, failure: Failure) -> Failure {
    let trust = &server.tls.trust;
    let Some((file, subjects)) = trust.source() else {
        return failure.because("Only the system's roots are trusted, and they do not have it.");
    };
    let names = first_few(&subjects.iter().map(|name| quoted(name)).collect::<Vec<_>>());
    let system = if trust.trusts_system() { " Neither do the system's roots hold its issuer." } else { "" };
    failure.because(format!("`ca` ({file}) holds {names}.{system}"))
}

fn fetch(server: &Untrusted<'_>, why: &str) -> String {
    let name = match (&server.tls.options.server_name, server.peer) {
        (Some(name), Peer::Server) => format!(" --server-name {name}"),
        _ => String::new(),
    };
    format!("{why}: mcp-mtls certs fetch {}{name} --out FILE.", server.target)
}
