//! Whether files are still the same, told without reading them.

use std::fs::Metadata;
use std::path::Path;

use crate::config::Tls;

/// What the system says of every file that an identity and its trust come from.
///
/// Links are followed, so the exchange of a link somewhere on the way is seen, as Kubernetes and
/// cert-manager renew what they mount; notifications for a file miss that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footprint(Vec<Option<Mark>>);

impl Footprint {
    /// Asks the system about each file; a file that is not there has a footprint too.
    pub(crate) fn of(settings: &Tls) -> Self {
        Self(settings.files().map(mark).collect())
    }
}

fn mark(path: &Path) -> Option<Mark> {
    std::fs::metadata(path).ok().map(|metadata| Mark::of(&metadata))
}

/// What differs between two files, or between a file and what it was before.
#[cfg(unix)]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[cfg(unix)]
impl Mark {
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What differs between a file and what it was before.
#[cfg(not(unix))]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    size: u64,
    modified: Option<std::time::SystemTime>,
    created: Option<std::time::SystemTime>,
}

#[cfg(not(unix))]
impl Mark {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok(), created: metadata.created().ok() }
    }
}
