//! `Timeouts::min_progress` at its exact virtual instants, and time-outs at the edges of what they may be.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use support::{Arrived, Client, World, assert_sleeps, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{EndReason, EventLoop, TcpServer, TcpSocket, Timeouts};

const fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// A network, and a connection of a server that has time-outs, made when the clock shows zero.
struct Case {
    network: SimulatedNetwork,
    event_loop: EventLoop,
    server: TcpServer,
    socket: TcpSocket,
    client: Client,
}

impl Case {
    fn new(seed: u64, timeouts: Timeouts) -> Self {
        let network = SimulatedNetwork::new(seed).unwrap();
        let world = World::Simulation(network.clone());
        let (event_loop, server) = world.server();
        server.set_timeouts(timeouts);
        let client = world.connect(server.server_port());
        until(&event_loop, || server.has_pending_connections());
        let socket = server.next_pending_connection().unwrap();
        assert_eq!(network.elapsed(), Duration::ZERO);
        Self { network, event_loop, server, socket, client }
    }

    /// Takes turns until the clock shows this time, or the connection is over.
    fn go_to(&self, time: Duration) {
        let done = Rc::new(Cell::new(false));
        let flag = Rc::clone(&done);
        let delay = time.saturating_sub(self.network.elapsed());
        self.event_loop.single_shot(delay, move |_| flag.set(true));
        while !done.get() && self.socket.end_reason().is_none() {
            self.event_loop.process_events(Some(milliseconds(3_600_000))).unwrap();
        }
    }

    /// When the connection was ended, and why; at most until this time.
    fn end(&self, at_most: Duration) -> Option<(Duration, EndReason)> {
        self.go_to(at_most);
        self.socket.end_reason().map(|reason| (self.network.elapsed(), reason))
    }
}

/// 100 bytes a second, over ten seconds.
fn slow() -> Timeouts {
    Timeouts::new().min_progress(100, milliseconds(10_000))
}

#[test]
fn a_peer_that_says_nothing_is_too_slow_after_one_stretch() {
    for seed in 0..8 {
        let case = Case::new(seed, slow());
        assert_eq!(case.end(milliseconds(60_000)), Some((milliseconds(10_000), EndReason::TooSlow)));
        assert_eq!(case.server.statistics().timed_out, 1);
    }
}

#[test]
fn a_peer_that_trickles_is_ended_and_one_that_keeps_the_speed_is_not() {
    for (bytes, expected) in [(99, Some((milliseconds(10_000), EndReason::TooSlow))), (101, None)] {
        for seed in 0..8 {
            let mut case = Case::new(seed, slow());
            for second in 0..60 {
                case.go_to(milliseconds(1000 * second + 500));
                let _ = case.client.try_send(&vec![1; bytes]);
                case.socket.read_all();
            }
            assert_eq!(case.end(milliseconds(60_000)), expected, "{bytes} a second");
        }
    }
}

#[test]
fn it_is_the_average_of_each_stretch_that_counts() {
    let mut case = Case::new(1, slow());
    for stretch in 0..4 {
        case.go_to(milliseconds(10_000 * stretch + 9_000));
        assert_eq!(case.client.try_send(&[1; 1000]).unwrap(), 1000);
    }
    case.go_to(milliseconds(39_500));
    assert_eq!(case.socket.end_reason(), None);
    assert_eq!(case.end(milliseconds(90_000)), Some((milliseconds(50_000), EndReason::TooSlow)));
}

#[test]
fn what_is_sent_counts_as_well_as_what_is_received() {
    let mut case = Case::new(1, slow());
    for second in 0..30 {
        case.go_to(milliseconds(1000 * second + 500));
        case.socket.write(&[2; 60]);
        case.client.try_send(&[1; 60]).unwrap();
        case.client.look();
    }
    assert_eq!(case.end(milliseconds(30_001)), None);
    let end = case.end(milliseconds(90_000));
    assert_eq!(end, Some((milliseconds(40_000), EndReason::TooSlow)));
}

/// 1. The peer does not read: something is unsent all the time.
/// 2. What it sends meanwhile does not count, however much that is.
#[test]
fn a_peer_that_reads_too_slowly_is_ended_though_it_sends_a_lot() {
    for seed in 0..8 {
        let mut case = Case::new(seed, slow());
        case.socket.write(&vec![2; 300_000]);
        for second in 0..40 {
            case.go_to(milliseconds(1000 * second + 500));
            let _ = case.client.try_send(&[1; 1000]);
            case.socket.read_all();
        }
        let (at, reason) = case.end(milliseconds(40_000)).unwrap();
        assert_eq!((at, reason), (milliseconds(20_000), EndReason::TooSlow), "in the first whole stretch");
    }
}

#[test]
fn a_peer_that_reads_fast_enough_is_not_ended() {
    for seed in 0..8 {
        let mut case = Case::new(seed, slow());
        case.socket.write(&vec![2; 2_000_000]);
        for second in 0..40 {
            case.go_to(milliseconds(1000 * second + 500));
            assert!(!matches!(case.client.look(), Arrived::Reset | Arrived::End), "after {second} seconds");
        }
    }
}

#[test]
fn the_other_time_outs_hold_beside_it() {
    let case = Case::new(1, slow().idle(milliseconds(4000)));
    assert_eq!(case.end(milliseconds(60_000)), Some((milliseconds(4000), EndReason::Idle)));
    let mut case = Case::new(1, slow().lifetime(milliseconds(25_000)));
    for second in 0..30 {
        case.go_to(milliseconds(1000 * second + 500));
        let _ = case.client.try_send(&[1; 200]);
        case.socket.read_all();
    }
    assert_eq!(case.end(milliseconds(60_000)).unwrap().1, EndReason::TooOld);
}

#[test]
fn limits_beyond_what_the_clock_can_count_are_none() {
    let far = Duration::MAX;
    let case =
        Case::new(1, Timeouts::new().first_byte(far).idle(far).lifetime(far).min_progress(u32::MAX, far));
    assert_eq!(case.end(milliseconds(3_600_000)), None);
}

/// 1. Something is unsent when the socket gets its time-outs, and the peer takes none of it.
/// 2. What the peer sends does not count from the first stretch on.
#[test]
fn what_is_unsent_when_they_are_set_counts_from_the_first_stretch() {
    let mut case = Case::new(1, Timeouts::new());
    case.socket.write(&vec![2; 300_000]);
    settle(&case.event_loop);
    let begun = case.network.elapsed();
    case.socket.set_timeouts(slow());
    for second in 1..30 {
        case.go_to(begun + milliseconds(1000 * second - 500));
        let _ = case.client.try_send(&[1; 1000]);
        case.socket.read_all();
    }
    assert_eq!(case.end(milliseconds(60_000)), Some((begun + milliseconds(10_000), EndReason::TooSlow)));
}

/// 1. A turn has received something at zero, and the loop takes no turn for nine seconds.
/// 2. Outside of a turn something is sent, at nine seconds.
/// 3. Ten seconds without a byte are over at nineteen.
#[test]
fn what_is_sent_between_turns_counts_from_when_it_left() {
    let mut case = Case::new(1, Timeouts::new().idle(milliseconds(10_000)));
    case.client.try_send(b"x").unwrap();
    case.event_loop.process_events(Some(Duration::ZERO)).unwrap();
    assert_eq!(case.socket.read_all(), b"x");
    case.network.pass(milliseconds(9000));
    case.socket.write(b"y");
    case.socket.flush();
    assert_eq!(case.client.look(), Arrived::Bytes(b"y".to_vec()));
    assert_eq!(case.end(milliseconds(60_000)), Some((milliseconds(19_000), EndReason::Idle)));
}

#[test]
fn a_limit_of_zero_is_over_in_the_next_turn() {
    let (zero, at) = (Duration::ZERO, Duration::ZERO);
    let case = Case::new(1, Timeouts::new().lifetime(zero));
    assert_eq!(case.end(milliseconds(5000)), Some((at, EndReason::TooOld)));
    let case = Case::new(1, Timeouts::new().first_byte(zero));
    assert_eq!(case.end(milliseconds(5000)), Some((at, EndReason::NoFirstByte)));
    let case = Case::new(1, Timeouts::new().idle(zero));
    assert_eq!(case.end(milliseconds(5000)), Some((at, EndReason::Idle)));
}

#[test]
fn a_grace_below_a_millisecond_is_one_too() {
    let grace = Duration::from_micros(500);
    let case = Case::new(1, Timeouts::new().min_progress(1_000_000, grace));
    assert_eq!(case.end(milliseconds(20)), Some((grace, EndReason::TooSlow)));
}

/// A peer is too slow also by the part of a millisecond with which a stretch ends.
#[test]
fn a_stretch_is_measured_exactly() {
    let grace = Duration::from_micros(1999);
    let mut case = Case::new(1, Timeouts::new().min_progress(100_000, grace));
    case.client.try_send(&[1; 100]).unwrap(); // 199.9 are to come in this time
    assert_eq!(case.end(milliseconds(20)), Some((grace, EndReason::TooSlow)));
}

/// 1. The peer has sent its first byte in time, and the socket waits to be taken: nothing is received for it.
/// 2. The time is over.
#[test]
fn a_peer_that_has_sent_in_time_is_not_ended_because_nobody_has_looked() {
    let Case { network, event_loop, server, socket, mut client } =
        Case::new(1, Timeouts::new().first_byte(milliseconds(1000)));
    server.add_pending_connection(socket).unwrap();
    client.try_send(b"in time").unwrap();
    settle(&event_loop);
    network.pass(milliseconds(2000));
    settle(&event_loop);
    let socket = server.next_pending_connection().unwrap();
    settle(&event_loop);
    assert_eq!((socket.end_reason(), socket.read_all().as_slice()), (None, b"in time".as_slice()));
}

/// 1. Something comes at zero, and the slot that reads it takes nine seconds.
/// 2. It answers then.
/// 3. Ten seconds without a byte are over at nineteen.
#[test]
fn what_is_sent_at_the_end_of_a_long_slot_counts_from_when_it_left() {
    let mut case = Case::new(1, Timeouts::new().idle(milliseconds(10_000)));
    let clock = case.network.clone();
    case.socket.ready_read().connect(move |socket| {
        clock.pass(milliseconds(9000));
        socket.read_with(|bytes| socket.write(bytes));
        socket.flush();
    });
    case.client.try_send(b"x").unwrap();
    assert_eq!(case.end(milliseconds(60_000)), Some((milliseconds(19_000), EndReason::Idle)));
}

#[test]
fn no_grace_and_no_speed_cost_no_turns() {
    for (speed, grace) in [(0, 0), (1, 0), (0, 1000)] {
        let (event_loop, _server, socket, _client) = World::Os.pair();
        socket.set_timeouts(Timeouts::new().min_progress(speed, milliseconds(grace)));
        settle(&event_loop);
        assert_sleeps(&event_loop);
    }
}
