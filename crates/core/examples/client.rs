//! One call to an MCP server that demands a client certificate.
//!
//! ```text
//! cargo run --example client -- https://localhost:7443/mcp me.pem me.key ca.pem
//! ```

use std::error::Error;

use mcp_mtls_core::config::{Entry, EntrySettings};
use mcp_mtls_core::remote::Remote;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, cert, key, ca] = arguments.as_slice() else { return Err("usage: client URL CERT KEY CA".into()) };

    let settings = EntrySettings::new(url).identity(cert, key).ca(ca);
    let remote = Remote::new(&Entry::new(settings).resolve()?)?;
    let server = remote.initialize("example", "1.0").await?;
    let tools = remote.call("tools/list", json!({})).await?;
    remote.close().await;

    #[expect(clippy::print_stdout, reason = "an example shows what it got")]
    {
        println!("{}: {}", server["serverInfo"]["name"], tools["tools"]);
    }
    Ok(())
}
