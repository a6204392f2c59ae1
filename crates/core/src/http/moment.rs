//! A point in time by two clocks, by which a sleep of the computer is noticed.

use std::time::{Duration, Instant, SystemTime};

/// A point in time.
///
/// On Linux and macOS [`Instant`] stands still while the computer sleeps, so a connection would
/// look fresh that its server, and every firewall on the way, has forgotten long since. The wall
/// clock goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// Whether the computer may have slept between this moment and a later one: the clocks went on
    /// by different times. A clock that was set looks the same, and costs one handshake.
    pub(super) fn slept_until(&self, later: &Self) -> bool {
        let ran = later.monotonic.saturating_duration_since(self.monotonic);
        let drift = match later.wall.duration_since(self.wall) {
            Ok(passed) => passed.abs_diff(ran),
            Err(back) => back.duration() + ran,
        };
        drift > DRIFT
    }

    /// This moment as it is when so much time has passed on each clock.
    #[cfg(test)]
    pub(super) fn after(self, monotonic: Duration, wall: Duration) -> Self {
        Self { monotonic: self.monotonic + monotonic, wall: self.wall + wall }
    }
}

/// Clocks are corrected by less while a connection is idle; sleeps are longer.
const DRIFT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_a_difference_of_the_clocks() {
        let seconds = Duration::from_secs;
        let now = Moment::now();
        for (ran, passed, slept) in [(0, 0, false), (3600, 3602, false), (3, 9, true), (0, 3600, true), (60, 50, true)]
        {
            assert_eq!(now.slept_until(&now.after(seconds(ran), seconds(passed))), slept, "{ran} {passed}");
        }
        // The wall clock was set back.
        let later = now.after(seconds(60), seconds(60));
        assert!(later.slept_until(&now.after(seconds(61), seconds(0))));
        assert!(!later.slept_until(&now.after(seconds(61), seconds(59))));
    }
}
