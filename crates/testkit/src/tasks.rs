//! The tasks of one server, so that stopping it stops all it started and closes every socket at once.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::rt::Executor;
use tokio::task::JoinSet;

/// A handle to a set of tasks. Clones share the set; it ends when someone calls [`Tasks::abort`] or [`Tasks::end`].
#[derive(Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Without reaping, a server that answers thousands of connections would keep a slot for each.
        while set.try_join_next().is_some() {}
        set.spawn(task);
    }

    /// Aborts every task. The sockets they own close as the runtime drops them, which may be some moments later.
    pub(crate) fn abort(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Aborts every task and waits until all they owned is closed.
    pub(crate) async fn end(&self) {
        let mut set = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        set.shutdown().await;
    }
}

/// Lets hyper's HTTP/2 streams end together with the server.
impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}
