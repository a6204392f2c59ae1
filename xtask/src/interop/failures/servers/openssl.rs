//! `openssl s_server`, which speaks TLS alone. It serves one client after the other.

use std::process::Command;

use super::{Does, Ground, Kind, nothing_more};
use crate::interop::failures::plan::{Asks, Site};

pub(super) const KIND: Kind = Kind {
    name: "openssl s_server",
    does: &[Does::Http2, Does::Lists, Does::Alerts, Does::SpeaksUp],
    commands,
    more: nothing_more,
};

fn commands(ground: &Ground<'_>) -> Vec<Command> {
    ground.sites.iter().map(|site| command(ground, site)).collect()
}

fn command(ground: &Ground<'_>, site: &Site) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{}", site.port), "-alpn", site.alpn()]);
    command.arg("-cert").arg(&site.identity.cert_file).arg("-key").arg(&site.identity.key_file);
    if let Some(rest) = after_first(&site.identity.cert_pem) {
        command.arg("-cert_chain").arg(ground.write(&format!("{}.chain.pem", site.port), rest));
    }
    command.args(["-cipher", "ALL:@SECLEVEL=0", "-no-CApath", "-no-CAstore"]);
    if let Some(tls) = site.tls {
        command.arg(format!("-tls{}", tls.replace('.', "_")));
    }
    if site.asks == Asks::Always {
        command.args(["-Verify", "2", "-verify_return_error", "-crl_check"]);
        command.arg("-CAfile").arg(&ground.client_ca).arg("-CRL").arg(ground.client_crl);
    }
    command
}

/// The certificates after the first.
fn after_first(pem: &str) -> Option<&str> {
    let (_, rest) = pem.split_once("-----END CERTIFICATE-----\n")?;
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_what_follows_the_certificate() {
        let pki = mcp_mtls_testkit::Pki::new();
        let whole = pki.server_identity_of_intermediate();
        let rest = mcp_mtls_testkit::pki::pem("CERTIFICATE", &pki.server_intermediate_der());
        assert_eq!(after_first(&whole.cert_pem), Some(rest.as_str()));
        assert_eq!(after_first(&whole.leaf_only().cert_pem), None);
    }
}
