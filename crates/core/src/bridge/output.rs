//! Writes messages to the host, one a line, and each answer once.

use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::pending::Pending;
use crate::remote::Parcel;
use crate::remote::message::Kind;

/// Writes until the queue is closed and empty, or the host does not read any more. An answer to a
/// request that has its answer, or was never made, is left out.
pub(super) async fn write<W>(mut output: W, mut messages: mpsc::Receiver<Parcel>, pending: Arc<Pending>)
where
    W: AsyncWrite + Unpin,
{
    let mut batch = Vec::new();
    let mut buffer = Vec::new();
    while messages.recv_many(&mut batch, BATCH).await > 0 {
        let mut answered = Vec::new();
        for Parcel { message, .. } in &batch {
            if let Kind::Response { id: Some(id), .. } = message.kind() {
                if !pending.claim(id) {
                    continue;
                }
                answered.push(id.clone());
            }
            let raw = message.raw();
            if raw.len() > COPIED {
                // A large message is not copied.
                if output.write_all(&buffer).await.is_err() || output.write_all(raw).await.is_err() {
                    return;
                }
                buffer.clear();
            } else {
                buffer.extend_from_slice(raw);
            }
            buffer.push(b'\n');
        }
        if output.write_all(&buffer).await.is_err() || output.flush().await.is_err() {
            return;
        }
        buffer.clear();
        batch.clear();
        pending.written(answered.len());
    }
}

const BATCH: usize = 32;
const COPIED: usize = 64 << 10;
