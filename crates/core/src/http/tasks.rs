//! The background work of all connections, which ends with the pool.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hyper::rt::Executor;
use tokio::task::JoinSet;

/// The background work of all connections; it ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// Adds background work. The work itself holds one of these, so it must not keep the set alive.
#[derive(Clone, Debug)]
pub(super) struct Spawner(Weak<Mutex<JoinSet<()>>>);

impl Tasks {
    pub(super) fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.0))
    }
}

impl Spawner {
    pub(super) fn spawn<F>(&self, work: F)
    where
        F: Future + Send + 'static,
    {
        // Without the set the pool is gone, and its connections with it.
        let Some(tasks) = self.0.upgrade() else { return };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // How a connection ended is told to whoever waits for an answer on it.
            let _ = work.await;
        });
    }
}

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
{
    fn execute(&self, work: F) {
        self.spawn(work);
    }
}
