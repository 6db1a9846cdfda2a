use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// As good as never, and still within what the clock can count.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A time so much later, or a far one if the clock cannot count that far.
pub(crate) fn later(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).or_else(|| now.checked_add(FAR)).unwrap_or(now)
}

/// Things that are due at a time, in the order of their times and then of their insertion.
#[derive(Debug)]
pub(crate) struct Deadlines<T> {
    entries: BTreeMap<DeadlineKey, T>,
    last: u64,
}

/// Names an entry, for taking it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadlineKey {
    at: Instant,
    number: u64,
}

impl Ord for DeadlineKey {
    fn cmp(&self, other: &Self) -> Ordering {
        #[cfg(test)]
        tests::STEPS.set(tests::STEPS.get() + 1);
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for DeadlineKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), last: 0 }
    }
}

impl<T> Deadlines<T> {
    pub(crate) fn insert(&mut self, at: Instant, value: T) -> DeadlineKey {
        self.last += 1;
        let key = DeadlineKey { at, number: self.last };
        self.entries.insert(key, value);
        key
    }

    pub(crate) fn remove(&mut self, key: DeadlineKey) -> Option<T> {
        self.entries.remove(&key)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|(key, _)| key.at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let newest = self.newest();
        self.pop_due_of(now, newest)
    }

    /// The number of the newest entry, for [`pop_due_of`](Self::pop_due_of).
    pub(crate) fn newest(&self) -> u64 {
        self.last
    }

    /// What is due, unless it was inserted after the entry with that number.
    pub(crate) fn pop_due_of(&mut self, now: Instant, newest: u64) -> Option<T> {
        let first = self.entries.first_entry()?;
        let due = first.key().at <= now && first.key().number <= newest;
        due.then(|| first.remove())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::Deadlines;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    thread_local! {
        /// How often two keys were compared: all that the structure's work grows with.
        pub(crate) static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    /// How many steps a call takes.
    fn steps<R>(call: impl FnOnce() -> R) -> u64 {
        let before = STEPS.get();
        call();
        STEPS.get() - before
    }

    /// A connection's time-out is one entry: entering it, taking it back and finding it due stay cheap with 100,000 others.
    #[test]
    fn a_step_among_a_hundred_thousand_entries_costs_a_few_comparisons() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        let mut keys = Vec::new();
        for number in 0..100_000_u64 {
            let at = start + Duration::from_millis(number.wrapping_mul(7_919) % 60_000);
            keys.push(deadlines.insert(at, number));
        }
        let (mut inserting, mut removing, mut expiring) = (0, 0, 0);
        for (number, key) in (0..1_000_u64).zip(keys.chunks(100).filter_map(|some| some.last())) {
            let at = start + Duration::from_millis(number * 61);
            inserting = inserting.max(steps(|| deadlines.insert(at, number)));
            removing = removing.max(steps(|| deadlines.remove(*key)));
            expiring = expiring.max(steps(|| deadlines.pop_due(start + Duration::from_secs(60))));
        }
        // Six levels of at most eleven keys each.
        assert!(inserting <= 70 && removing <= 70 && expiring <= 70, "{inserting}, {removing}, {expiring}");
    }

    proptest! {
        /// What was not taken back comes in the order of time, and in the order of insertion at one time.
        #[test]
        fn due_in_order(entries in prop::collection::vec((0u64..20, any::<bool>()), 0..60)) {
            let start = Instant::now();
            let mut deadlines = Deadlines::default();
            let mut expected = Vec::new();
            for (number, (delay, keep)) in entries.into_iter().enumerate() {
                let key = deadlines.insert(start + Duration::from_secs(delay), (delay, number));
                if keep {
                    expected.push((delay, number));
                } else {
                    prop_assert_eq!(deadlines.remove(key), Some((delay, number)));
                }
            }
            expected.sort_unstable();
            let early = expected.iter().filter(|(delay, _)| *delay <= 10).count();
            let due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(start + Duration::from_secs(10))).collect();
            prop_assert_eq!(&due[..], &expected[..early]);
            let rest: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(start + Duration::from_secs(99))).collect();
            prop_assert_eq!(&rest[..], &expected[early..]);
            prop_assert_eq!(deadlines.next(), None);
        }
    }
}
