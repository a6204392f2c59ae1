//! Apache, also as it asks for a certificate after it has read the URL.

use std::process::Command;

use super::{Does, Ground, Kind, filled};
use crate::interop::failures::plan::{Asks, NOT_ASKED, Plan, Site};
use crate::interop::shown;

pub(super) const KIND: Kind = Kind {
    name: "Apache",
    does: &[Does::Http, Does::Http2, Does::Lists, Does::Alerts, Does::SpeaksUp, Does::AnswersHttp],
    commands,
    more,
};

fn commands(ground: &Ground<'_>) -> Vec<Command> {
    let sites: String = ground.sites.iter().map(|site| host(ground, site)).collect();
    let folder = shown(ground.folder);
    let conf = ground.write("apache.conf", &filled("apache.conf", &[("{sites}", &sites), ("{folder}", &folder)]));
    let mut command = Command::new("apache2");
    // One process, so that ending it leaves no worker behind.
    command.arg("-X").arg("-f").arg(conf);
    vec![command]
}

fn host(ground: &Ground<'_>, site: &Site) -> String {
    let asks = match site.asks {
        Asks::Never => "",
        Asks::Always => "SSLVerifyClient require",
        Asks::Wishes => "SSLVerifyClient optional",
        Asks::AfterUrl => "<Location /mcp/of-members>\nSSLVerifyClient require\n</Location>",
    };
    let (port, status) = (site.port.to_string(), site.status.to_string());
    let tls = tls(ground, site).unwrap_or_default();
    let words =
        [("{port}", port.as_str()), ("{alpn}", site.alpn()), ("{status}", &status), ("{tls}", &tls), ("{asks}", asks)];
    filled("apache.site.conf", &words)
}

/// What a site that speaks TLS says of it.
fn tls(ground: &Ground<'_>, site: &Site) -> Option<String> {
    Some(format!(
        "SSLEngine on\nSSLProtocol TLSv{}\nSSLCipherSuite ALL:@SECLEVEL=0\n\
         SSLCertificateFile {}\nSSLCertificateKeyFile {}\n\
         SSLCACertificateFile {}\nSSLCARevocationFile {}\nSSLCARevocationCheck chain",
        site.tls?,
        site.identity.cert_file.display(),
        site.identity.key_file.display(),
        ground.client_ca.display(),
        ground.client_crl.display()
    ))
}

/// The certificate is asked for after the URL is known: TLS 1.2 would negotiate anew for that, and TLS 1.3 ask later.
fn more(plan: &mut Plan<'_>) {
    for tls in ["1.3", "1.2"] {
        for http2 in [false, true] {
            let site = Site { tls: Some(tls), http2, asks: Asks::AfterUrl, ..Site::new(plan.cast) };
            let site = plan.site(site);
            let args = plan.at(&site, "/mcp/of-members");
            plan.row("client: asked after the URL", &site, args, NOT_ASKED);
        }
    }
}
