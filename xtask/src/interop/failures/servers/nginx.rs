//! nginx, which tells a client by an HTTP answer why it is refused; and the HTTP errors that it makes by itself.

use std::fs;
use std::process::Command;

use super::{Does, Ground, Kind, filled};
use crate::interop::failures::cast::Wanted;
use crate::interop::failures::plan::{Asks, FORBIDDEN, Plan, Site};
use crate::interop::shown;

pub(super) const KIND: Kind = Kind {
    name: "nginx",
    does: &[Does::Http, Does::Http2, Does::Lists, Does::SpeaksUp, Does::AnswersHttp],
    commands,
    more,
};

fn commands(ground: &Ground<'_>) -> Vec<Command> {
    let sites: String = ground.sites.iter().map(|site| server(ground, site)).collect();
    let folder = shown(ground.folder);
    let conf = ground.write("nginx.conf", &filled("nginx.conf", &[("{sites}", &sites), ("{folder}", &folder)]));
    ground.write("users", "");
    let pages = ground.folder.join("pages");
    fs::create_dir_all(pages.join("folder")).unwrap_or_else(|e| panic!("{}: {e}", pages.display()));
    ground.write("pages/page.html", "<title>Welcome</title>");

    let mut command = Command::new("nginx");
    command.arg("-c").arg(conf).arg("-p").arg(ground.folder).arg("-e").arg(ground.folder.join("server.log"));
    vec![command]
}

fn server(ground: &Ground<'_>, site: &Site) -> String {
    let (port, status) = (site.port.to_string(), site.status.to_string());
    let words = [
        ("{tls}", tls(ground, site).unwrap_or_default()),
        ("{ssl}", if site.tls.is_some() { "ssl" } else { "" }.to_owned()),
        ("{http2}", if site.http2 { "http2" } else { "" }.to_owned()),
        ("{port}", port),
        ("{status}", status),
    ];
    filled("nginx.site.conf", &words.each_ref().map(|(word, value)| (*word, value.as_str())))
}

/// What a site that speaks TLS says of it.
fn tls(ground: &Ground<'_>, site: &Site) -> Option<String> {
    let tls = site.tls?;
    let (cert, key) = (site.identity.cert_file.display(), site.identity.key_file.display());
    let (ca, list) = (ground.client_ca.display(), ground.client_crl.display());
    let asks = match site.asks {
        Asks::Always => format!("ssl_verify_client on; ssl_client_certificate {ca}; ssl_crl {list};"),
        Asks::Wishes => format!("ssl_verify_client optional; ssl_client_certificate {ca};"),
        Asks::Never | Asks::AfterUrl => String::new(),
    };
    // With the security level of today OpenSSL has nothing to sign with under TLS 1.1.
    Some(format!(
        "ssl_protocols TLSv{tls}; ssl_ciphers ALL:@SECLEVEL=0; ssl_certificate {cert}; ssl_certificate_key {key}; {asks}"
    ))
}

/// The HTTP errors of a server that has verified the certificate.
fn more(plan: &mut Plan<'_>) {
    for http2 in [false, true] {
        let site = plan.site(Site { http2, ..Site::new(plan.cast) });
        let rows: [(&str, &str, Wanted); 13] = [
            ("HTTP 401, Basic", "/private/mcp", UNAUTHORIZED),
            ("HTTP 403, a folder", "/folder/", FORBIDDEN),
            ("HTTP 404", "/missing", NOT_FOUND),
            ("HTTP 405, a file", "/page.html", NOT_FOUND),
            ("HTTP 308, to another host", "/moved/mcp", ("redirect-refused", "theirs")),
            ("HTTP 413", "/small/mcp", ("http-status", "theirs")),
            ("HTTP 500", "/broken/mcp", SERVER_ERROR),
            ("HTTP 502, nothing behind it", "/upstream/mcp", SERVER_ERROR),
            ("HTTP 503", "/limited/mcp", SERVER_ERROR),
            ("HTTP 418", "/teapot/mcp", ("http-status", "theirs")),
            ("HTTP 200, a page", "/html/", NOT_MCP),
            ("HTTP 200, other JSON", "/json/", NOT_MCP),
            ("HTTP 200, empty", "/empty/", NOT_MCP),
        ];
        for (failure, path, told) in rows {
            plan.row(failure, &site, plan.at(&site, path), told);
        }
        // It wants other credentials, and says so.
        let open = plan.site(Site { asks: Asks::Never, ..site.clone() });
        plan.row("client: not asked, HTTP 401, Basic", &open, plan.at(&open, "/private/mcp"), UNAUTHORIZED);
        // The certificate is for the one host, and the request for another of the same nginx.
        let named = Site { identity: plan.named("other.example"), ..site };
        let named = plan.site(named);
        let args =
            [plan.with(&named, &plan.cast.alice), ["--server-name", "other.example"].map(str::to_owned).to_vec()];
        plan.row("HTTP 421", &named, args.concat(), ("http-misdirected", "ours"));
    }
}

const UNAUTHORIZED: Wanted = ("http-unauthorized", "ours");
const NOT_FOUND: Wanted = ("http-not-found", "ours");
const NOT_MCP: Wanted = ("not-mcp", "ours");
const SERVER_ERROR: Wanted = ("http-server-error", "theirs");
