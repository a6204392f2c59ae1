//! A small generator of numbers (xorshift64): the same seed plays the same game.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The state of one player. Each has its own, so that what one does depends on no other.
pub(super) struct Dice(u64);

impl Dice {
    /// Another for each number.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self((seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1));
        for _warm_up in 0..8 {
            dice.number();
        }
        dice
    }

    fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    /// A number within these.
    pub(super) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.number() % (range.end() - range.start() + 1)
    }

    /// A length within these.
    pub(super) fn length(&mut self, range: RangeInclusive<u64>) -> usize {
        usize::try_from(self.within(range)).unwrap_or(0)
    }

    /// A time within these milliseconds.
    pub(super) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.within(1..=times) == 1
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.length(0..=u64::try_from(all.len()).unwrap_or(1) - 1)]
    }

    /// One of these, each as likely as its number is large.
    pub(super) fn weighted<T: Copy>(&mut self, all: &[(u64, T)]) -> T {
        let mut left = self.within(1..=all.iter().map(|one| one.0).sum());
        for (weight, one) in all {
            if left <= *weight {
                return *one;
            }
            left -= weight;
        }
        all[0].1
    }

    /// Words in several scripts, with what JSON and SSE treat in ways of their own.
    pub(super) fn text(&mut self) -> String {
        (0..self.within(0..=40)).map(|_| *self.one_of(WORDS)).collect()
    }
}

const WORDS: &[&str] = &[
    "plain ",
    "é",
    "世界",
    "🦀",
    "\u{2028}",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "\t",
    "data: ",
    "\u{0}",
    "=?base64?",
    " ",
    "id:1",
    "{}",
    "a longer word to fill some room ",
];

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn a_seed_gives_the_same_again_and_each_player_another() {
        let play = |seed, number| {
            let mut dice = Dice::new(seed, number);
            (0..8).map(|_| dice.within(3..=9)).collect::<Vec<_>>()
        };
        assert_eq!(play(1, 1), play(1, 1));
        assert_ne!(play(1, 1), play(1, 2));
        assert!(play(5, 0).iter().all(|number| (3..=9).contains(number)));
    }

    #[test]
    fn weights_weigh() {
        let mut dice = Dice::new(7, 0);
        let heavy = (0..1000).filter(|_| dice.weighted(&[(9, true), (1, false)])).count();
        assert!((850..950).contains(&heavy), "{heavy}");
    }
}
