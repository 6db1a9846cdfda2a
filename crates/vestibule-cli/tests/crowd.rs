//! 10,000 clients at a server that may have 100 connections: never one more, and nobody is left out.
//!
//! 1. A wave of clients connects, no more than the kernel's queue holds; each sends its number.
//! 2. They stay until exactly 100 have got it back: all others wait.
//! 3. Now each leaves as soon as it has got its number, until all of the wave have.
//! 4. So for all waves. Then the server ends and says what it has counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::time::{Duration, Instant};
use support::crowd::Crowd;
use support::{Server, longest_queue, raise_descriptor_limit};

const CLIENTS: usize = 10_000;
const PLACES: usize = 100;

#[test]
fn ten_thousand_clients_are_served_a_hundred_at_a_time() {
    raise_descriptor_limit();
    let server = Server::echo("--max-connections 100");
    let begun = Instant::now();
    let mut crowd = Crowd::of(server.address);
    while crowd.len() < CLIENTS {
        crowd.join(longest_queue().min(2500).min(CLIENTS - crowd.len()));
        let full = crowd.len().min(crowd.served + PLACES - crowd.present());
        crowd.until("all places are taken", |crowd| crowd.served >= full);
        crowd.turn(Duration::from_millis(20)); // in which one too many might be served
        assert_eq!(crowd.present(), PLACES.min(crowd.len()), "served and there");
        crowd.until_all_are_served();
    }
    let took = begun.elapsed();
    let counts = server.end_and_count();
    assert_eq!(counts.of("most"), PLACES as u64, "{counts}");
    assert_eq!(counts.accepted(), CLIENTS as u64, "{counts}");
    assert_eq!((counts.open(), counts.of("pending"), counts.of("refused")), (0, 0, 0), "{counts}");
    let bytes = (CLIENTS * size_of::<usize>()) as u64;
    assert_eq!((counts.of("received"), counts.of("sent")), (bytes, bytes), "{counts}");
    println!("crowd: {took:?}: {counts}");
}
