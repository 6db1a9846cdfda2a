//! Servers that accept in blocking waits and turns, on the simulation: they hear on after any number of
//! failures in a row, while resources are lacking, when one is released, and after a drain.
#![cfg(target_os = "linux")] // the numbers of errors are its own
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use vestibule::simulation::{SimulatedClient, SimulatedNetwork, explore};
use vestibule::{
    DrainOptions, EventLoop, HostAddress, Leftover, RefusalReason, ServerState, TcpServer, TcpSocket,
};

const PORT: u16 = 7777;
const EINTR: i32 = 4;
const EPERM: i32 = 1;
const EMFILE: i32 = 24;
const EPROTO: i32 = 71;
const ECONNABORTED: i32 = 103;
const ENOMEM: i32 = 12;

fn server(network: &SimulatedNetwork) -> (EventLoop, TcpServer) {
    let event_loop = network.event_loop();
    let server = TcpServer::new(&event_loop);
    server.listen(HostAddress::ANY, PORT).unwrap();
    (event_loop, server)
}

#[allow(clippy::unnecessary_wraps, reason = "it is a time-out")]
fn milliseconds(number: u64) -> Option<Duration> {
    Some(Duration::from_millis(number))
}

/// So many accepts in a row fail, each time for one client; the wait gets the good one behind them.
fn hears_the_good_client_behind(failures: u64, errno: impl Fn(u64) -> i32, timeout: Option<Duration>) {
    explore(0..8, |network| {
        let (_event_loop, server) = server(network);
        let bad: Vec<_> = (0..failures).map(|_| network.connect(PORT).unwrap()).collect();
        (1..=failures).for_each(|nth| network.fail_accept(nth, errno(nth)));
        let good = network.connect(PORT).unwrap();
        assert!(server.wait_for_new_connection(timeout).unwrap(), "deaf after {} accepts", network.accepts());
        let socket = server.next_pending_connection().unwrap();
        assert_eq!(Some(socket.peer_port()), good.local_addr().map(|address| address.port()));
        assert_eq!(network.elapsed(), Duration::ZERO, "it had to wait");
        assert!(bad.iter().all(|client| client.read().is_err()), "all others were reset");
        assert_eq!(server.statistics().errors.connection, failures);
    });
}

#[test]
fn a_wait_hears_the_client_behind_40_that_failed() {
    hears_the_good_client_behind(40, |_| ECONNABORTED, milliseconds(1_000));
}

#[test]
fn a_wait_hears_the_client_behind_any_number_around_a_batch_that_failed() {
    for failures in [1, 15, 16, 17, 31, 32, 33, 200] {
        hears_the_good_client_behind(failures, |_| ECONNABORTED, milliseconds(1_000));
    }
}

#[test]
fn a_wait_for_ever_hears_the_client_behind_failures_of_all_kinds() {
    hears_the_good_client_behind(
        48,
        |nth| [ECONNABORTED, EPROTO, EPERM][usize::try_from(nth % 3).unwrap()],
        None,
    );
}

#[test]
fn a_look_without_time_looks_at_a_batch_and_the_next_look_at_the_next() {
    let network = SimulatedNetwork::new(1).unwrap();
    let (_event_loop, server) = server(&network);
    let _clients: Vec<_> = (0..41).map(|_| network.connect(PORT).unwrap()).collect();
    (1..=40).for_each(|nth| network.fail_accept(nth, ECONNABORTED));
    let looks = (0..10).take_while(|_| !server.wait_for_new_connection(milliseconds(0)).unwrap()).count();
    assert!(looks <= 2, "{looks} looks for 41 clients");
}

#[test]
fn a_turn_hears_the_client_behind_40_that_failed_too() {
    let network = SimulatedNetwork::new(1).unwrap();
    let (event_loop, server) = server(&network);
    let _clients: Vec<_> = (0..41).map(|_| network.connect(PORT).unwrap()).collect();
    (1..=40).for_each(|nth| network.fail_accept(nth, ECONNABORTED));
    for _ in 0..3 {
        event_loop.process_events(milliseconds(0)).unwrap();
    }
    assert!(server.has_pending_connections());
}

#[test]
fn a_wait_is_not_ended_by_interrupted_accepts() {
    let network = SimulatedNetwork::new(1).unwrap();
    let (_event_loop, server) = server(&network);
    (1..=40).for_each(|nth| network.fail_accept(nth, EINTR));
    let _client = network.connect(PORT).unwrap();
    assert!(server.wait_for_new_connection(None).unwrap());
    assert_eq!(network.accepts(), 41);
}

#[test]
fn a_wait_for_ever_goes_through_back_offs_that_grow_to_half_a_second() {
    explore(0..8, |network| {
        let (_event_loop, server) = server(network);
        let (errors, count) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let told = Rc::clone(&errors);
        server.accept_error().connect(move |_, _| told.set(told.get() + 1));
        let accepted = Rc::clone(&count);
        server.new_connection().connect(move |_| accepted.set(accepted.get() + 1));
        (1..=20).for_each(|nth| network.fail_accept(nth, if nth % 2 == 0 { EMFILE } else { ENOMEM }));
        let _client = network.connect(PORT).unwrap();
        assert!(server.wait_for_new_connection(None).unwrap());
        assert_eq!((errors.get(), count.get(), network.accepts()), (1, 1, 21));
        // 5, 10, 20, 40, 80, 160, 320 ms and 13 times 500 ms, each shortened to no less than half.
        let (least, most) = (Duration::from_millis(3_567), Duration::from_millis(7_135));
        assert!(network.elapsed() >= least && network.elapsed() <= most, "{:?}", network.elapsed());
    });
}

#[test]
fn waits_that_are_too_short_for_a_back_off_get_the_client_in_the_end() {
    let network = SimulatedNetwork::new(3).unwrap();
    let (_event_loop, server) = server(&network);
    (1..=10).for_each(|nth| network.fail_accept(nth, EMFILE));
    let _client = network.connect(PORT).unwrap();
    let waits = (0..20_000).take_while(|_| !server.wait_for_new_connection(milliseconds(1)).unwrap()).count();
    assert!(network.elapsed() < Duration::from_secs(3), "{waits} waits, {:?}", network.elapsed());
    assert!(server.has_pending_connections());
}

/// 1. Descriptors run out: the server is to try again in up to half a second.
/// 2. One is released.
/// 3. A wait begins.
#[test]
fn a_wait_that_begins_after_a_descriptor_was_released_accepts_at_once() {
    let network = SimulatedNetwork::new(1).unwrap();
    let (_event_loop, server) = server(&network);
    network.set_descriptors(Some(1));
    let _clients = [network.connect(PORT).unwrap(), network.connect(PORT).unwrap()];
    assert!(server.wait_for_new_connection(milliseconds(0)).unwrap());
    let socket = server.next_pending_connection().unwrap();
    for _ in 0..6 {
        assert!(!server.wait_for_new_connection(milliseconds(400)).unwrap());
    }
    assert_eq!(server.state(), ServerState::Exhausted);
    let begun = network.elapsed();
    socket.abort(); // its descriptor is free now
    assert!(server.wait_for_new_connection(milliseconds(50)).unwrap(), "a descriptor is there");
    assert_eq!(network.elapsed(), begun, "it slept through the back-off");
}

/// 1. The server is closed.
/// 2. It drains, refusing who waits: nobody does, and it is over at once.
/// 3. It listens again.
#[test]
fn a_server_that_was_drained_while_closed_serves_when_it_listens_again() {
    let network = SimulatedNetwork::new(1).unwrap();
    let (event_loop, server) = server(&network);
    server.close();
    server.drain_with(DrainOptions::new(Duration::ZERO).leftover(Leftover::Refuse));
    event_loop.process_events(milliseconds(1)).unwrap();
    assert_eq!(server.state(), ServerState::Closed);
    server.listen(HostAddress::ANY, PORT).unwrap();
    let _client = network.connect(PORT).unwrap();
    event_loop.process_events(milliseconds(1)).unwrap();
    assert_eq!(server.statistics().refused_for(RefusalReason::Draining), 0);
    assert!(server.has_pending_connections());
}

/// A server that waits long from one try to accept to the next, and a socket that has what it lacks.
struct Lacking {
    network: SimulatedNetwork,
    event_loop: EventLoop,
    server: TcpServer,
    socket: Option<TcpSocket>,
    _far: [SimulatedClient; 2],
}

impl Lacking {
    fn new() -> Self {
        let network = SimulatedNetwork::new(1).unwrap();
        let (event_loop, server) = server(&network);
        let first = network.connect(PORT).unwrap();
        assert!(server.wait_for_new_connection(milliseconds(0)).unwrap());
        let socket = server.next_pending_connection();
        network.set_descriptors(Some(0));
        let far = [first, network.connect(PORT).unwrap()];
        while server.statistics().errors.resources < 8 {
            event_loop.process_events(milliseconds(1000)).unwrap();
        }
        assert_eq!(server.state(), ServerState::Exhausted);
        Self { network, event_loop, server, socket, _far: far }
    }

    /// When the next client comes in.
    fn lets_in(&self) -> Duration {
        let accepted = self.server.statistics().accepted;
        while self.server.statistics().accepted == accepted {
            self.event_loop.process_events(milliseconds(1000)).unwrap();
        }
        self.network.elapsed()
    }
}

#[test]
fn a_socket_that_is_dropped_between_turns_lets_the_next_in_at_once() {
    let mut lacking = Lacking::new();
    let released = lacking.network.elapsed();
    drop(lacking.socket.take());
    assert_eq!(lacking.lets_in(), released);
}

#[test]
fn a_socket_that_is_dropped_in_a_slot_lets_the_next_in_at_once() {
    let mut lacking = Lacking::new();
    let released = lacking.network.elapsed() + Duration::from_millis(20);
    let socket = Cell::new(lacking.socket.take());
    lacking.event_loop.single_shot(Duration::from_millis(20), move |_| drop(socket.take()));
    assert_eq!(lacking.lets_in(), released);
}
