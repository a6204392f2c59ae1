//! Explains a server that is not the one with the expected SPIFFE ID.

use super::Untrusted;
use crate::error::{Code, Failure, brief, first_few, quoted};
use crate::trust::{NotTheServer, SpiffeTrust};

/// The certificate has another SPIFFE ID, or none.
pub(super) fn not_the_server(server: &Untrusted<'_>, why: &NotTheServer) -> Failure {
    let target = brief(server.target);
    let expected = server.tls.trust.spiffe().map(SpiffeTrust::expected).unwrap_or_default();
    match why {
        NotTheServer::Other(id) => {
            Failure::new(Code::ServerIdMismatch, format!("The certificate of {target} has another SPIFFE ID"))
                .because(format!("It is that of {}; expected is {expected}.", quoted(id.as_str())))
                .fix("Correct `serverId`, or the URL, when that is the server you mean.")
                .evidence("server_id", id.as_str())
        }
        NotTheServer::NotSvid(why) => {
            let leaf = server.chain.first();
            let names: Vec<_> =
                leaf.map(|leaf| leaf.names.iter().map(|name| quoted(name)).collect()).unwrap_or_default();
            let names = if names.is_empty() { "no name at all".to_owned() } else { first_few(&names) };
            Failure::new(Code::ServerIdMissing, format!("The certificate of {target} is not that of a SPIFFE workload"))
                .because(format!("{why}; expected is {expected}."))
                .because(format!("It is for {names}."))
                .fix("Have the server show its X.509-SVID, or use `ca` instead of `spiffe`.")
        }
    }
}

/// The right ID, signed by nobody who may.
pub(super) fn unknown_issuer(server: &Untrusted<'_>) -> Failure {
    let what = format!("The certificate of {} is not signed by its trust domain", brief(server.target));
    let failure = Failure::new(Code::ServerIssuerUnknown, what);
    let (Some(last), Some(spiffe)) = (server.chain.last(), server.tls.trust.spiffe()) else { return failure };
    let names = first_few(&spiffe.subjects().iter().map(|name| quoted(name)).collect::<Vec<_>>());
    failure
        .because(format!("It claims {}, and its chain ends at the issuer {}.", spiffe.expected(), quoted(&last.issuer)))
        .because(format!("The bundle of the trust domain `{}` holds {names}.", spiffe.domain()))
        .fix("Have the server show an SVID of that trust domain, with its intermediates; else somebody pretends to be it.")
}
