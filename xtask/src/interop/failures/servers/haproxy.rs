//! The configuration of `HAProxy`.

use std::process::Command;

use super::{Does, Ground, Kind, nothing_more};
use crate::interop::failures::plan::{Asks, Site};

pub(super) const KIND: Kind = Kind {
    name: "HAProxy",
    does: &[Does::Http, Does::Http2, Does::Lists, Does::Alerts, Does::SpeaksUp],
    commands,
    more: nothing_more,
};

fn commands(ground: &Ground<'_>) -> Vec<Command> {
    let sites: String = ground.sites.iter().map(|site| frontend(ground, site)).collect();
    let text = format!(
        "global\n  maxconn 1000\n  nbthread 1\n\
         defaults\n  mode http\n  timeout client 30s\n  timeout connect 5s\n  timeout server 30s\n{sites}"
    );
    let conf = ground.write("haproxy.cfg", &text);
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(conf);
    vec![command]
}

fn frontend(ground: &Ground<'_>, site: &Site) -> String {
    let Site { port, status, .. } = site;
    let mut bind = vec![format!("127.0.0.1:{port}")];
    if let Some(tls) = site.tls {
        let both = ground.write(&format!("{port}.pem"), &site.identity.combined_pem());
        bind.push(format!("ssl crt {} alpn {}", both.display(), site.alpn()));
        bind.push(format!("ssl-min-ver TLSv{tls} ssl-max-ver TLSv{tls} ciphers ALL:@SECLEVEL=0"));
        let (ca, list) = (ground.client_ca.display(), ground.client_crl.display());
        match site.asks {
            Asks::Always => bind.push(format!("ca-file {ca} verify required crl-file {list}")),
            Asks::Wishes => bind.push(format!("ca-file {ca} verify optional")),
            Asks::Never | Asks::AfterUrl => {}
        }
    }
    let bind = bind.join(" ");
    format!("frontend on{port}\n  bind {bind}\n  http-request return status {status}\n")
}
