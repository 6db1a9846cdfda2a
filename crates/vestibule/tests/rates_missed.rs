//! A rate that lets the next in between two looks of one turn: the loop does not sleep through it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, limited};
use std::time::{Duration, Instant};
use support::{LIMIT, World};
use vestibule::{HostAddress, Limits, Rate, TcpServer};

/// 1. A client waits for the rate, and the turn looks whether it may come in: not yet.
/// 2. The turn looks at many other servers, which takes its time; meanwhile the rate would let it in.
/// 3. The turn looks until when it may sleep: not at all.
#[test]
fn a_rate_that_is_free_later_in_the_same_turn_is_not_missed() {
    let (event_loop, _first) = limited(&World::Os, Limits::new());
    let others: Vec<_> = (0..600)
        .map(|_| {
            let other = TcpServer::new(&event_loop);
            other.set_limits(Limits::new().max_connections(0));
            other.listen(HostAddress::LOCALHOST, 0).unwrap();
            other
        })
        .collect();
    let turns = |number| (0..number).for_each(|_| event_loop.process_events(Some(Duration::ZERO)).unwrap());
    turns(5);
    let begun = Instant::now();
    turns(10);
    let turn = begun.elapsed() / 10;
    for step in 1..=60_u32 {
        let server = TcpServer::new(&event_loop);
        server.set_limits(Limits::new().rate(Rate::new(1, turn * step / 40)));
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        let _far = clients(&World::Os, &server, 2);
        let begun = Instant::now();
        while server.statistics().accepted < 2 {
            event_loop.process_events(Some(LIMIT)).unwrap();
        }
        assert!(begun.elapsed() < LIMIT / 2, "asleep for {:?}, a turn takes {turn:?}", begun.elapsed());
    }
    drop(others);
}
