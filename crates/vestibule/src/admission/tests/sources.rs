//! The table of sources against one that forgets nothing, and its bound.

use crate::admission::rate::{Pace, Rate};
use crate::admission::refusal::RefusalReason;
use crate::admission::sources::{SourceLimits, Sources};
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

fn source(number: u32) -> IpAddr {
    Ipv4Addr::from(number).into()
}

proptest! {
    /// With room for all it decides as a table that remembers everybody for ever.
    #[test]
    fn it_decides_as_a_table_that_forgets_nobody(
        connections in prop::option::of(0u32..4),
        burst in prop::option::of(1u32..4),
        steps in prop::collection::vec((0u32..8, 0u64..30, any::<bool>()), 1..300),
    ) {
        let rate = burst.map(|burst| Rate::per_second(50).burst(burst));
        let limits = SourceLimits { connections, rate, ..SourceLimits::default() };
        let mut sources = Sources::default();
        let mut naive: HashMap<u32, (u32, Pace)> = HashMap::new();
        let mut now = Instant::now();
        for (number, passed, leaves) in steps {
            now += Duration::from_millis(passed);
            let (open, pace) = naive.entry(number).or_default();
            if leaves {
                if *open > 0 {
                    sources.give_back(source(number));
                    *open -= 1;
                }
                continue;
            }
            let expected = if connections.is_some_and(|most| *open >= most) {
                Err(RefusalReason::TooManyOfSource)
            } else if rate.is_some_and(|rate| pace.available(rate, now) == 0) {
                Err(RefusalReason::SourceTooFast)
            } else {
                Ok(())
            };
            prop_assert_eq!(sources.take(source(number), &limits, now), expected);
            if expected.is_ok() {
                *open += 1;
                if let Some(rate) = rate {
                    pace.spend(rate, now);
                }
            }
            let open_sources = naive.values().filter(|(open, _)| *open > 0).count();
            prop_assert!(sources.len() >= open_sources, "who has a connection open is known");
        }
        // When all are gone and time has passed, nobody is remembered for long.
        for (number, (open, _)) in &naive {
            for _ in 0..*open {
                sources.give_back(source(*number));
            }
        }
        let later = now + Duration::from_secs(60);
        let unlimited = SourceLimits { connections: Some(u32::MAX), rate: None, ..limits };
        for _ in 0..20 {
            if sources.take(source(1000), &unlimited, later).is_ok() {
                sources.give_back(source(1000));
            }
        }
        prop_assert!(sources.len() <= 1, "{} sources are remembered for nothing", sources.len());
    }

    /// However many sources come, memory is bounded and nobody gets more than the rate.
    #[test]
    fn a_flood_of_sources_is_bounded(room in 0usize..20, number in 1u32..2_000) {
        let rate = Rate::per_minute(1).burst(2);
        let limits = SourceLimits { rate: Some(rate), remembered: room, ..SourceLimits::default() };
        let mut sources = Sources::default();
        let now = Instant::now();
        let mut let_in = HashMap::new();
        for step in 0..number {
            let came = step % 700;
            if sources.take(source(came), &limits, now).is_ok() {
                *let_in.entry(came).or_insert(0) += 1;
                sources.give_back(source(came));
            }
            prop_assert!(sources.len() <= room, "{} are remembered, {room} may be", sources.len());
        }
        prop_assert!(let_in.values().all(|number| *number <= 2));
        prop_assert!(let_in.len() <= room + 2, "those without room share one rate");
    }
}

#[test]
fn a_source_is_the_leading_bits_of_its_address() {
    let limits = SourceLimits::default();
    let v6 = |text: &str| IpAddr::V6(text.parse::<Ipv6Addr>().unwrap());
    assert_eq!(limits.source(v6("2001:db8:1:2:3:4:5:6")), v6("2001:db8:1:2::"));
    assert_eq!(limits.source(v6("::ffff:10.1.2.3")), IpAddr::from([10, 1, 2, 3]));
    assert_eq!(limits.source(source(0x0a01_0203)), IpAddr::from([10, 1, 2, 3]));
    let wide = SourceLimits { prefixes: (24, 0), ..limits };
    assert_eq!(wide.source(IpAddr::from([10, 1, 2, 3])), IpAddr::from([10, 1, 2, 0]));
    assert_eq!(wide.source(v6("2001:db8::1")), v6("::"));
    let all = SourceLimits { prefixes: (0, 128), ..limits };
    assert_eq!(all.source(IpAddr::from([10, 1, 2, 3])), IpAddr::from([0, 0, 0, 0]));
    assert_eq!(all.source(v6("2001:db8::1")), v6("2001:db8::1"));
}
