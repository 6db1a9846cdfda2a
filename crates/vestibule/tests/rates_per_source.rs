//! How many of one source come in over time: the others of it are refused, and other sources do not notice.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{connect_from, limited, take_all};
use std::time::Duration;
use support::{World, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{EventLoop, HostAddress, Limits, Rate, RefusalReason, TcpServer};

const ONE: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";

/// A server on a network in which time passes when a test says so.
struct Gate {
    network: SimulatedNetwork,
    event_loop: EventLoop,
    server: TcpServer,
}

impl Gate {
    fn new(limits: Limits) -> Self {
        let network = SimulatedNetwork::new(11).unwrap();
        network.freeze_clock(true);
        let (event_loop, server) = limited(&World::Simulation(network.clone()), limits);
        Self { network, event_loop, server }
    }

    /// Whether a client of this address comes in. It leaves at once.
    fn comes(&self, from: &str) -> bool {
        let world = World::Simulation(self.network.clone());
        let before = self.server.statistics();
        let _client = connect_from(&world, from, self.server.server_port());
        let now = || self.server.statistics();
        until(&self.event_loop, || {
            now().accepted > before.accepted || now().refused_in_all() > before.refused_in_all()
        });
        drop(take_all(&self.server));
        now().accepted > before.accepted
    }

    /// How many of so many come in.
    fn of(&self, number: usize, from: &str) -> usize {
        (0..number).filter(|_| self.comes(from)).count()
    }

    fn pass(&self, millis: u64) {
        self.network.freeze_clock(false);
        self.network.pass(Duration::from_millis(millis));
        self.network.freeze_clock(true);
    }
}

fn each(rate: Rate) -> Limits {
    Limits::new().rate_per_source(rate)
}

#[test]
fn each_source_has_its_own_rate_and_who_is_over_it_is_refused() {
    let gate = Gate::new(each(Rate::per_second(4).burst(2)));
    assert_eq!((gate.of(5, ONE), gate.of(5, OTHER)), (2, 2));
    assert_eq!(gate.server.statistics().refused_for(RefusalReason::SourceTooFast), 6);
    gate.pass(249);
    assert_eq!((gate.of(2, ONE), gate.of(2, OTHER)), (0, 0));
    gate.pass(1);
    assert_eq!((gate.of(2, ONE), gate.of(2, OTHER)), (1, 1));
    gate.pass(500);
    assert_eq!(gate.of(5, ONE), 2);
    gate.pass(60_000);
    assert_eq!((gate.of(5, ONE), gate.of(5, OTHER)), (2, 2), "no more than the burst is saved");
}

#[test]
fn who_is_refused_does_not_use_up_the_rate_of_its_source() {
    let gate = Gate::new(each(Rate::per_second(1)));
    assert!(gate.comes(ONE));
    for _ in 0..9 {
        gate.pass(100);
        assert!(!gate.comes(ONE));
    }
    gate.pass(100);
    assert!(gate.comes(ONE));
}

#[test]
fn the_exempt_have_no_rate() {
    let limits = each(Rate::per_second(0)).exempt("192.0.2.1/32".parse().unwrap());
    let gate = Gate::new(limits);
    assert_eq!((gate.of(20, ONE), gate.of(20, OTHER)), (20, 0));
}

#[test]
fn a_source_is_a_network_of_ipv6_and_an_address_of_ipv4() {
    let gate = Gate::new(each(Rate::per_minute(1)));
    assert!(gate.comes("2001:db8::1") && !gate.comes("2001:db8::2"));
    assert!(gate.comes("2001:db8:0:1::1"));
    assert!(gate.comes("192.0.2.7") && !gate.comes("::ffff:192.0.2.7") && gate.comes("::ffff:192.0.2.8"));
    gate.server.set_limits(each(Rate::per_minute(1)).source_prefixes(24, 32));
    gate.pass(60_000);
    assert!(gate.comes("198.51.100.1") && !gate.comes("198.51.100.200"));
    assert!(gate.comes("2001:db9:1::1") && !gate.comes("2001:db9:2::1"));
}

#[test]
fn both_limits_of_a_source_hold() {
    let world = World::simulation(2);
    let (event_loop, server) = limited(&world, each(Rate::per_minute(3)).max_connections_per_source(2));
    let _far = [(); 3].map(|()| connect_from(&world, ONE, server.server_port()));
    until(&event_loop, || server.statistics().refused_in_all() == 1);
    assert_eq!(server.statistics().refused_for(RefusalReason::TooManyOfSource), 1);
    drop(take_all(&server));
    let _more = [(); 2].map(|()| connect_from(&world, ONE, server.server_port()));
    until(&event_loop, || server.statistics().refused_in_all() == 2);
    assert_eq!(server.statistics().refused_for(RefusalReason::SourceTooFast), 1, "three have come");
    assert_eq!(server.statistics().accepted, 3);
}

#[test]
fn other_limits_keep_what_a_source_has_used_up() {
    let gate = Gate::new(each(Rate::per_second(1)));
    assert_eq!((gate.of(2, ONE), gate.of(1, OTHER)), (1, 1));
    gate.server.set_limits(each(Rate::per_second(1)).max_connections(100));
    assert_eq!((gate.of(2, ONE), gate.of(2, OTHER)), (0, 0));
    gate.server.close();
    gate.server.listen(HostAddress::LOCALHOST, 0).unwrap();
    assert_eq!(gate.of(2, ONE), 0);
    gate.server.set_limits(each(Rate::per_second(1).burst(2)));
    assert_eq!(gate.of(3, ONE), 1, "one of the two of the new burst has come");
    gate.server.set_limits(Limits::new());
    assert_eq!(gate.of(5, ONE), 5);
}

#[test]
fn a_faster_rate_lets_in_at_once() {
    let gate = Gate::new(each(Rate::per_minute(1)));
    assert_eq!(gate.of(2, ONE), 1);
    gate.server.set_limits(each(Rate::per_second(1000)));
    gate.pass(2);
    assert!(gate.comes(ONE), "one came within the last two milliseconds, of a thousand in a second");
}

#[test]
fn sources_that_cannot_be_remembered_share_one_rate() {
    let gate = Gate::new(each(Rate::per_second(1)).remembered_sources(2));
    let flood = || (1..200).filter(|number| gate.comes(&format!("198.51.100.{number}"))).count();
    assert_eq!(flood(), 3, "two that are remembered, and one for all others");
    assert_eq!((gate.of(1, "198.51.100.1"), gate.of(1, "198.51.100.2")), (0, 0));
    gate.pass(500);
    assert_eq!(flood(), 0);
    gate.pass(500);
    let number = flood();
    assert!((1..=3).contains(&number), "{number}");
    gate.pass(10_000);
    assert!(gate.comes(ONE), "all are forgotten");
}

#[test]
fn with_no_memory_all_sources_share_one_rate() {
    let gate = Gate::new(each(Rate::per_second(4)).remembered_sources(0));
    let flood = || (1..50).filter(|number| gate.comes(&format!("198.51.100.{number}"))).count();
    assert_eq!(flood(), 4);
    gate.pass(1000);
    assert_eq!(flood(), 4);
}

#[test]
fn who_has_a_connection_open_is_remembered_beside_the_others() {
    let world = World::simulation(4);
    let limits = each(Rate::per_minute(2).burst(2)).remembered_sources(1);
    let (event_loop, server) = limited(&world, limits);
    let mut open = Vec::new();
    for number in 1..=20 {
        let far = connect_from(&world, &format!("198.51.100.{number}"), server.server_port());
        until(&event_loop, || server.has_pending_connections());
        open.push((server.next_pending_connection().unwrap(), far));
    }
    assert_eq!(server.statistics().refused_in_all(), 0, "nobody rests, so there is room");
    let _again = connect_from(&world, "198.51.100.7", server.server_port());
    until(&event_loop, || server.has_pending_connections());
    let _third = connect_from(&world, "198.51.100.7", server.server_port());
    until(&event_loop, || server.statistics().refused_for(RefusalReason::SourceTooFast) == 1);
}

#[test]
fn a_rate_of_a_source_leaves_the_rate_for_all_to_others() {
    let gate = Gate::new(each(Rate::per_second(1)).rate(Rate::per_second(2)));
    assert_eq!((gate.of(5, ONE), gate.of(1, OTHER)), (1, 1));
    assert_eq!(gate.server.statistics().refused_for(RefusalReason::SourceTooFast), 4);
}

#[test]
fn on_the_system_a_source_that_comes_too_fast_is_refused() {
    let (event_loop, server) = limited(&World::Os, each(Rate::per_minute(2)));
    let port = server.server_port();
    let mut far = [(); 4].map(|()| connect_from(&World::Os, "127.0.0.2", port));
    let _other = connect_from(&World::Os, "127.0.0.3", port);
    until(&event_loop, || server.statistics().accepted == 3);
    assert_eq!(server.statistics().refused_for(RefusalReason::SourceTooFast), 2);
    for client in &mut far[2..] {
        assert_eq!(client.receive_to_end(&event_loop), b"");
    }
}
