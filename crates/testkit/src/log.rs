//! A list that other tasks append to and that a test can wait on, so that no test has to sleep.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What happened, in order. Cheap to wait on, never loses a wake-up.
pub struct Log<T> {
    items: Mutex<Vec<T>>,
    changed: watch::Sender<()>,
}

impl<T: Clone> Log<T> {
    /// Appends, and wakes those who wait.
    pub fn push(&self, item: T) {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        self.changed.send_replace(());
    }

    /// All so far.
    pub fn all(&self) -> Vec<T> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many so far.
    pub fn len(&self) -> usize {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone + Debug> Log<T> {
    /// Waits until there are at least `n`, then returns all. Panics after [`LIMIT`] with what came so far.
    pub async fn wait_for(&self, n: usize) -> Vec<T> {
        self.wait_until(&format!("{n} entries"), |items| items.len() >= n).await
    }

    /// Waits until `ready` holds, then returns all. Panics after [`LIMIT`] with what came so far.
    pub async fn wait_until(&self, what: &str, ready: impl Fn(&[T]) -> bool) -> Vec<T> {
        let mut changed = self.changed.subscribe();
        let wait = async {
            loop {
                changed.mark_unchanged();
                {
                    let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
                    if ready(&items) {
                        return items.clone();
                    }
                }
                changed.changed().await.expect("the sender lives as long as the log");
            }
        };
        match tokio::time::timeout(LIMIT, wait).await {
            Ok(items) => items,
            Err(_) => panic!("waited {LIMIT:?} for {what}; so far: {:#?}", self.all()),
        }
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { items: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

/// How long anything in a test may take before the test fails.
pub const LIMIT: Duration = Duration::from_secs(30);
