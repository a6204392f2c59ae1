//! Who is asked before anything that an entry names is read or run again.

use std::fmt;
use std::sync::Arc;

use super::Entry;
use crate::error::Result;

/// The question whether the files and programs of an entry may be asked again; without one they always may.
#[derive(Clone, Default)]
pub(crate) struct Guard(Option<Arc<Question>>);

type Question = dyn Fn() -> Result<()> + Send + Sync;

impl Guard {
    /// It may block, as what it guards does.
    pub(crate) fn ask(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |question| question())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&self.0.is_some()).finish()
    }
}

impl Entry {
    /// The same entry, of which nothing is read or run again while it is in use unless `question` gives its leave each
    /// time. What was loaded stays in use without it.
    #[must_use]
    pub fn guarded(mut self, question: impl Fn() -> Result<()> + Send + Sync + 'static) -> Self {
        self.guard = Guard(Some(Arc::new(question)));
        self
    }
}
