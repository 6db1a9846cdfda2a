//! 5,000 clients, 64 descriptors: more than the kernel's queue holds, and still no CPU is burnt and nobody is
//! forgotten.
//!
//! 1. The server has 64 descriptors; 5,000 clients begin to connect. Those whom the kernel's queue has no
//!    room for (it has for 4,097 here) try again by themselves, as TCP has it, once a second at first.
//! 2. Each that is connected sends its number. The server takes as many as it has descriptors for, and says
//!    once that it is out of them.
//! 3. For three seconds it must do nothing: less than 1 % of a core, and hardly a wake-up.
//! 4. One client after the other leaves: each release lets the next one in; half of them are served
//!    within 5 ms.
//! 5. Then each leaves as soon as it has been served: all are, each with its own number.
//! 6. No descriptor is left, and the counts are those of the clients.
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
use support::{LIMIT, Server, longest_queue, raise_descriptor_limit, until};

const CLIENTS: usize = 5000;
const DESCRIPTORS: usize = 64;
const RELEASES: usize = 400;

#[test]
fn more_clients_than_the_queue_holds_wait_at_no_cost_for_descriptors() {
    assert!(raise_descriptor_limit() > CLIENTS as u64 + 100, "too few descriptors for the clients");
    let server = Server::echo("");
    let before = server.descriptors_below(DESCRIPTORS);
    let room = DESCRIPTORS - before;
    server.limit_descriptors(DESCRIPTORS as u64);

    let mut crowd = Crowd::of(server.address);
    crowd.join(CLIENTS);
    let connected = CLIENTS.min(longest_queue() + room);
    crowd.until("the queue is full", |crowd| crowd.connected >= connected && crowd.served == room);
    let line = server.log.recv_timeout(LIMIT).unwrap();
    assert_eq!(line, "vestibule: cannot accept now: out of resources");
    assert_eq!(server.descriptors_below(DESCRIPTORS), DESCRIPTORS);

    let (began, cpu, rests) = (Instant::now(), server.cpu_time(), server.rests());
    while began.elapsed() < Duration::from_secs(3) {
        crowd.turn(Duration::from_millis(50)); // the time over which nothing is to be done
    }
    let burnt = server.cpu_time().saturating_sub(cpu);
    let share = burnt.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
    let rests = server.rests() - rests;
    assert!(share < 1.0, "{burnt:?} of CPU in {:?}: {share:.2} %", began.elapsed());
    assert!(rests < 60, "{rests} wake-ups in three seconds");
    assert_eq!(crowd.served, room);
    assert!(server.log.try_recv().is_err(), "it is told once");

    let mut waits = Vec::new();
    for served in room..room + RELEASES {
        let begun = Instant::now();
        crowd.first_leaves();
        crowd.until("the next one is served", |crowd| crowd.served > served);
        waits.push(begun.elapsed());
        assert_eq!(crowd.served, served + 1, "one release serves one");
    }
    let first = waits[0];
    waits.sort();
    let (median, worst) = (waits[RELEASES / 2], waits[RELEASES - 1]);
    assert!(median < Duration::from_millis(5), "{median:?} from a release to a service");

    let begun = Instant::now();
    crowd.until_all_are_served();
    let rest = begun.elapsed();
    until("all descriptors are back", || server.descriptors_below(DESCRIPTORS) == before);
    let counts = server
        .until_counts("all are gone", |counts| (counts.open(), counts.accepted()) == (0, CLIENTS as u64));
    assert_eq!(counts.of("most"), room as u64, "{counts}");
    println!(
        "starved: {share:.3} % of a core, {rests} wake-ups in 3 s; the last ones are served in {rest:?}"
    );
    println!("from a release to a service: first {first:?}, median {median:?}, worst {worst:?}");
    println!("{}", server.end_and_count());
}
