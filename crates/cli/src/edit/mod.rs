//! Changes to files of people: what is not the changed value stays as it is, byte for byte.

pub(crate) mod jsonc;
pub(crate) mod write;

/// Why a file cannot be changed as asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The text is not what the format wants.
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A key on the way holds something that has no keys.
    NoMap {
        /// From 1.
        line: usize,
        /// The keys to it.
        path: String,
    },
    /// The change would have changed more than it should.
    Strange,
}
