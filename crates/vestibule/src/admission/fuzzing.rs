use super::rate::Rate;
use super::sources::{SourceLimits, Sources};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Comings and goings of sources, two bytes each, under limits that the first two bytes say: the table keeps its bounds, and
/// no source has more than it may.
pub(crate) fn fuzz_sources(bytes: &[u8]) {
    let [most, room, steps @ ..] = bytes else { return };
    let limits = SourceLimits {
        connections: Some(u32::from(*most % 8)),
        rate: (most % 3 > 0).then(|| Rate::per_second(20).burst(u32::from(*most % 5))),
        remembered: usize::from(*room % 16),
        ..SourceLimits::default()
    };
    let (mut sources, mut now, mut most_open) = (Sources::default(), Instant::now(), 0);
    let mut open: HashMap<IpAddr, u32> = HashMap::new();
    for step in steps.chunks_exact(2) {
        let [what, who] = step else { continue };
        let source = IpAddr::from([192, 0, 2, *who]);
        let known = open.entry(source).or_default();
        match what % 4 {
            0 if *known > 0 => {
                sources.give_back(source);
                *known -= 1;
            }
            1 => now += Duration::from_millis(u64::from(*what)),
            _ if sources.take(source, &limits, now).is_ok() => *known += 1,
            _ => {}
        }
        assert!(Some(*known) <= limits.connections, "{source} has {known}");
        let with_connections = open.values().filter(|number| **number > 0).count();
        assert!(sources.len() >= with_connections, "who has a connection is known");
        most_open = most_open.max(with_connections);
        // Those who rest for want of room elsewhere, and those who have connections in their place.
        assert!(sources.len() <= 2 * most_open + limits.remembered, "too many are remembered");
    }
}
