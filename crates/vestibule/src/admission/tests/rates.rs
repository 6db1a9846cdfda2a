//! A rate lets in exactly what it says: never more in any stretch of time, and nobody is turned away without need.

use crate::admission::{Pace, Rate};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// As many as may be: so many at once, and one for each interval that has passed in the stretch.
fn most(rate: Rate, stretch: Duration) -> u128 {
    u128::from(rate.burst_size()) + stretch.as_nanos() / rate.interval().as_nanos().max(1)
}

/// A bucket that is refilled continuously, in units of nanoseconds: what is in it is time that was saved.
struct Bucket {
    saved: u128,
    looked: Instant,
}

impl Bucket {
    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let interval = rate.interval().as_nanos();
        let full = interval * u128::from(rate.burst_size());
        self.saved = (self.saved + now.duration_since(self.looked).as_nanos()).min(full);
        self.looked = now;
        let enough = rate.burst_size() > 0 && self.saved >= interval;
        if enough {
            self.saved -= interval;
        }
        enough
    }
}

proptest! {
    #[test]
    fn it_decides_as_a_naive_bucket_and_never_lets_in_more_than_it_says(
        number in 0u32..20,
        burst in 0u32..6,
        period in prop::sample::select(vec![1u64, 7, 1_000, 60_000]),
        gaps in prop::collection::vec(0u64..400, 1..200),
    ) {
        let rate = Rate::new(number, Duration::from_millis(period)).burst(burst);
        let mut now = Instant::now();
        let (mut pace, mut let_in) = (Pace::FREE, Vec::new());
        let mut bucket = Bucket { saved: rate.interval().as_nanos() * u128::from(burst), looked: now };
        for gap in gaps {
            now += Duration::from_millis(gap);
            let available = pace.available(rate, now);
            prop_assert!(available <= burst);
            prop_assert_eq!(available > 0, pace.wait(rate, now) == Some(Duration::ZERO));
            prop_assert_eq!(available > 0, bucket.take(rate, now));
            if available == 0 {
                if let Some(wait) = pace.wait(rate, now) {
                    prop_assert!(pace.available(rate, now + wait) > 0, "it says when it lets in again");
                    let just_before = now + wait.saturating_sub(Duration::from_nanos(1));
                    prop_assert_eq!(pace.available(rate, just_before), 0);
                }
                continue;
            }
            pace.spend(rate, now);
            let_in.push(now);
            for (at, first) in let_in.iter().enumerate() {
                let came = (let_in.len() - at) as u128;
                prop_assert!(came <= most(rate, now - *first), "{came} within {:?}", now - *first);
            }
        }
    }

    #[test]
    fn what_it_says_is_available_is(burst in 1u32..50, spent in 0u32..60, passed in 0u64..500) {
        let rate = Rate::per_second(100).burst(burst);
        let now = Instant::now();
        let mut pace = Pace::FREE;
        for _ in 0..spent.min(burst) {
            pace.spend(rate, now);
        }
        let now = now + Duration::from_millis(passed);
        let available = pace.available(rate, now);
        for left in (0..available).rev() {
            pace.spend(rate, now);
            prop_assert_eq!(pace.available(rate, now), left);
        }
    }
}

#[test]
fn the_ends_of_the_numbers_are_no_trouble() {
    let now = Instant::now();
    for rate in [Rate::new(1, Duration::MAX), Rate::per_second(u32::MAX), Rate::new(5, Duration::ZERO)] {
        let mut pace = Pace::FREE;
        for _ in 0..10 {
            let _ = (pace.available(rate, now), pace.wait(rate, now));
            pace.spend(rate, now);
        }
    }
    assert_eq!(Pace::FREE.wait(Rate::per_second(0), now), None, "nobody, ever");
    assert_eq!(Pace::FREE.available(Rate::per_second(0), now), 0);
}
