//! What holds for the messages of any host and of any server.

mod envelope;
mod events;
mod members;

pub use super::modern::fuzzing::headers;
pub use envelope::envelope;
pub use events::events;

/// Cuts bytes into pieces whose lengths follow from a seed: single bytes, or all kinds.
pub(crate) fn pieces(seed: u8, mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut state = u32::from(seed);
    while !bytes.is_empty() {
        // The generator of POSIX's `rand`; its upper bits are the good ones.
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let length = if seed == 0 { 1 } else { 1 << (state >> 28) };
        let (piece, rest) = bytes.split_at(bytes.len().min(length));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
