//! The pauses between attempts to open a stream again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pause before a stream is opened again.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
    /// What the server asked for (`retry`).
    retry: Option<Duration>,
}

impl Pause {
    /// Takes what the server asks for, in milliseconds.
    pub(super) fn asked(&mut self, retry: Option<u64>) {
        self.retry = retry.map(|retry| Duration::from_millis(retry).clamp(SHORTEST, LONGEST)).or(self.retry);
    }

    /// Says that there is life: the next pause is the first again.
    pub(super) fn alive(&mut self) {
        self.failures = 0;
    }

    /// Whether the server said how long the pauses shall be.
    pub(super) fn is_asked(&self) -> bool {
        self.retry.is_some()
    }

    /// The next pause: doubled each time, and drawn between half and all of that, so that the
    /// clients of a restarted server do not come back together. Never shorter than the server asks.
    pub(super) fn next(&mut self) -> Duration {
        let base = self.retry.unwrap_or(FIRST);
        let full = base.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let draw = u32::try_from(RandomState::new().hash_one(self.failures) % 512).unwrap_or(0);
        (full / 2 + full / 2 * draw / 512).max(self.retry.unwrap_or_default())
    }
}

const FIRST: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_until_there_is_life() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..10).map(|_| pause.next()).collect();
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST, "{pauses:?}");
        assert!(pauses[9] >= LONGEST / 2 && pauses[9] <= LONGEST, "{pauses:?}");
        pause.alive();
        assert!(pause.next() <= FIRST);
    }

    #[test]
    fn what_the_server_asks_for_is_the_least_within_reason() {
        for (asked, first) in [(0, SHORTEST), (500, Duration::from_millis(500)), (u64::MAX, LONGEST)] {
            let mut pause = Pause::default();
            pause.asked(Some(asked));
            pause.asked(None);
            assert_eq!(pause.next(), first);
            assert!((0..10).all(|_| pause.next() >= first));
        }
    }
}
