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
                .fix("Have the server present its X.509-SVID, or use `cert`, `key` and `ca` instead of `spiffe`.")
        }
    }
}

/// The right ID, signed by nobody who may.
pub(super) fn unknown_issuer(server: &Untrusted<'_>) -> Failure {
    let what = format!("The certificate of {} is not signed by its trust domain", brief(server.target));
    let failure = Failure::new(Code::ServerIssuerUnknown, what);
    let (Some(leaf), Some(spiffe)) = (server.chain.first(), server.tls.trust.spiffe()) else { return failure };
    let end = server.end_of_chain(leaf);
    let names = first_few(&spiffe.subjects().iter().map(|name| quoted(name)).collect::<Vec<_>>());
    let failure = failure
        .because(format!("It claims {}, and its chain ends at the issuer {}.", spiffe.expected(), quoted(&end.issuer)))
        .because(format!("The bundle of the trust domain `{}` holds {names}.", spiffe.domain()));
    let failure = if spiffe.subjects().contains(&end.issuer) {
        failure.because("A CA of that name with another key is in the bundle: likely the CA was made anew.")
    } else {
        failure
    };
    failure
        .fix("Have the server present an SVID of that trust domain, with its intermediates; else somebody pretends to be it.")
}
