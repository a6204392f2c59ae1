//! Remote MCP servers over mutual TLS.
