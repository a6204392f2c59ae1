//! Stages PKI, servers and hosts for tests.
