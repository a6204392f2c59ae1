//! Envoy, whose TLS is that of `BoringSSL`.

use std::process::Command;

use serde_json::{Value, json};

use super::{Does, Ground, Kind, nothing_more};
use crate::interop::failures::plan::{Asks, Site};
use crate::programs::root;

pub(super) const KIND: Kind = Kind {
    name: "Envoy",
    does: &[Does::Http, Does::Http2, Does::Lists, Does::Alerts, Does::SpeaksUp],
    commands,
    more: nothing_more,
};

fn commands(ground: &Ground<'_>) -> Vec<Command> {
    let listeners: Vec<Value> = ground.sites.iter().map(|site| listener(ground, site)).collect();
    let conf = ground.write("envoy.json", &json!({"static_resources": {"listeners": listeners}}).to_string());
    let mut command = Command::new(root().join("interop/.tools/envoy/bin/envoy"));
    // No shared memory and no files but its own, so that several may run.
    command.arg("--config-path").arg(conf).args(["--disable-hot-restart", "--concurrency", "1"]);
    command.args(["--log-level", "warning"]);
    vec![command]
}

fn listener(ground: &Ground<'_>, site: &Site) -> Value {
    let manager = json!({
        "@type": format!("{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "mcp",
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": format!("{TYPES}.filters.http.router.v3.Router")},
        }],
        "route_config": {"virtual_hosts": [{
            "name": "mcp",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": site.status}}],
        }]},
    });
    let mut chain = json!({
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
    });
    if let Some(tls) = site.tls {
        chain["transport_socket"] =
            json!({"name": "envoy.transport_sockets.tls", "typed_config": context(ground, site, tls)});
    }
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": site.port}});
    json!({"name": format!("on{}", site.port), "address": address, "filter_chains": [chain]})
}

fn context(ground: &Ground<'_>, site: &Site, tls: &str) -> Value {
    let version = format!("TLSv{}", tls.replace('.', "_"));
    let mut common = json!({
        "alpn_protocols": [site.alpn()],
        "tls_params": {"tls_minimum_protocol_version": version, "tls_maximum_protocol_version": version},
        "tls_certificates": [{
            "certificate_chain": {"filename": site.identity.cert_file},
            "private_key": {"filename": site.identity.key_file},
        }],
    });
    if matches!(site.asks, Asks::Always | Asks::Wishes) {
        common["validation_context"] =
            json!({"trusted_ca": {"filename": ground.client_ca}, "crl": {"filename": ground.client_crl}});
    }
    json!({
        "@type": format!("{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext"),
        "require_client_certificate": site.asks == Asks::Always,
        "common_tls_context": common,
    })
}

const TYPES: &str = "type.googleapis.com/envoy.extensions";
