//! What a message of the host waits for before it goes out.

use tokio::sync::watch;

/// What the next message waits for.
#[derive(Default)]
pub(super) struct Order {
    /// `initialize` or `notifications/initialized`, before which nothing else is sent.
    barrier: Option<Done>,
    /// The notification before: notifications keep their order.
    notification: Option<Done>,
}

/// Stands for work; it has ended when the other end is dropped.
pub(super) struct Done(watch::Receiver<()>);

/// Held by the work; dropped, it lets go what waits for it.
pub(super) type Work = watch::Sender<()>;

impl Order {
    /// What a request waits for.
    pub(super) fn before_request(&self) -> Option<Done> {
        self.barrier.as_ref().map(Done::again)
    }

    /// What a notification waits for.
    pub(super) fn before_notification(&mut self) -> [Option<Done>; 2] {
        [self.before_request(), self.notification.take()]
    }

    /// Begins work before which nothing else is sent.
    pub(super) fn bar(&mut self) -> Work {
        let (work, done) = watch::channel(());
        self.barrier = Some(Done(done));
        work
    }

    /// Begins the work of a notification.
    pub(super) fn notify(&mut self) -> Work {
        let (work, done) = watch::channel(());
        self.notification = Some(Done(done));
        work
    }
}

impl Done {
    pub(super) async fn wait(done: Option<Self>) {
        if let Some(Self(mut done)) = done {
            // Nothing is ever sent; the error says that the other end is dropped.
            let _ = done.changed().await;
        }
    }

    fn again(&self) -> Self {
        Self(self.0.clone())
    }
}
