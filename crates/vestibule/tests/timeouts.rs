//! `Timeouts` at their exact virtual instants; a wrong one by a nanosecond is wrong.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::{Arrived, Client, LIMIT, Log, World, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{
    EndReason, EventLoop, IncomingConnection, SocketError, SocketState, TcpServer, TcpSocket, Timeouts,
};

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// A network, and a connection of a server that has time-outs, made when the clock shows zero.
struct Case {
    network: SimulatedNetwork,
    event_loop: EventLoop,
    server: TcpServer,
    socket: TcpSocket,
    client: Client,
    log: Log,
}

impl Case {
    fn new(seed: u64, timeouts: Timeouts) -> Self {
        let network = SimulatedNetwork::new(seed).unwrap();
        let world = World::Simulation(network.clone());
        let (event_loop, server) = world.server();
        server.set_timeouts(timeouts);
        assert_eq!(server.timeouts(), timeouts);
        let client = world.connect(server.server_port());
        let begun = network.elapsed();
        until(&event_loop, || server.has_pending_connections());
        assert_eq!(network.elapsed(), begun);
        let (socket, log) = (server.next_pending_connection().unwrap(), Log::default());
        let words = log.clone();
        socket.error_occurred().connect(move |_, error| words.add(format!("{error:?}")));
        let words = log.clone();
        socket.disconnected().connect(move |socket| words.add(format!("{:?}", socket.end_reason().unwrap())));
        Self { network, event_loop, server, socket, client, log }
    }

    /// Takes turns until the clock shows this time.
    fn go_to(&self, time: Duration) {
        let done = Rc::new(RefCell::new(false));
        let flag = Rc::clone(&done);
        let delay = time.saturating_sub(self.network.elapsed());
        self.event_loop.single_shot(delay, move |_| *flag.borrow_mut() = true);
        while !*done.borrow() {
            self.event_loop.process_events(Some(seconds(3600))).unwrap();
        }
    }

    /// Takes turns until the connection is over; when that is.
    fn over(&self) -> Duration {
        for _ in 0..10_000 {
            if self.socket.state() == SocketState::Unconnected {
                return self.network.elapsed();
            }
            self.event_loop.process_events(Some(seconds(3600))).unwrap();
        }
        panic!("it never ended");
    }

    /// The connection ends by force at this time, for this reason.
    fn ends(mut self, time: Duration, reason: EndReason) {
        assert_eq!((self.over(), self.socket.end_reason()), (time, Some(reason)));
        assert_eq!(self.log.take(), format!("SocketTimeout {reason:?}"));
        assert_eq!(self.socket.error(), SocketError::SocketTimeout);
        assert_eq!((self.server.statistics().timed_out, self.server.statistics().open), (1, 0));
        assert_eq!(self.client.receive_all(&self.event_loop).1, Arrived::Reset);
    }

    fn goes_on(&self) {
        assert_eq!((self.socket.state(), self.log.len()), (SocketState::Connected, 0));
        assert_eq!(self.server.statistics().timed_out, 0);
    }
}

#[test]
fn a_peer_that_sends_nothing_is_ended_when_its_first_byte_is_due() {
    for seed in 0..8 {
        Case::new(seed, Timeouts::new().first_byte(seconds(5))).ends(seconds(5), EndReason::NoFirstByte);
        let case = Case::new(seed, Timeouts::new().first_byte(seconds(5)));
        case.go_to(seconds(4));
        case.socket.write(b"what we send does not count");
        case.ends(seconds(5), EndReason::NoFirstByte);
        let mut case = Case::new(seed, Timeouts::new().first_byte(seconds(5)));
        case.go_to(Duration::from_nanos(4_999_999_999));
        case.client.try_send(b"x").unwrap();
        case.go_to(seconds(500));
        case.goes_on();
    }
}

#[test]
fn bytes_in_either_direction_keep_a_connection_from_being_idle() {
    for seed in 0..8 {
        Case::new(seed, Timeouts::new().idle(seconds(10))).ends(seconds(10), EndReason::Idle);
        let mut case = Case::new(seed, Timeouts::new().idle(seconds(10)));
        for step in 1..=5 {
            case.go_to(seconds(9 * step));
            if step % 2 == 0 {
                case.client.try_send(b"x").unwrap()
            } else {
                case.socket.write(b"x")
            };
        }
        case.goes_on();
        case.ends(seconds(55), EndReason::Idle);
    }
}

#[test]
fn bytes_that_the_peer_does_not_take_keep_nothing_alive() {
    let case = Case::new(1, Timeouts::new().idle(seconds(10)));
    case.socket.write(&vec![1; 200_000]);
    case.go_to(seconds(5));
    assert!(case.socket.bytes_to_write() > 0);
    case.socket.write(b"more");
    let sent = case.network.elapsed();
    assert!(case.over() <= sent + seconds(5));
    assert_eq!(case.socket.end_reason(), Some(EndReason::Idle));
}

#[test]
fn a_connection_lasts_no_longer_than_its_life_whatever_it_does() {
    for seed in 0..8 {
        let mut case = Case::new(seed, Timeouts::new().lifetime(seconds(30)).idle(seconds(10)));
        for step in 1..=5 {
            case.go_to(seconds(5 * step));
            case.client.try_send(b"x").unwrap();
        }
        case.goes_on();
        case.ends(seconds(30), EndReason::TooOld);
    }
}

#[test]
fn the_earliest_of_several_ends_it() {
    let all = Timeouts::new().first_byte(seconds(3)).idle(seconds(4)).lifetime(seconds(5));
    Case::new(1, all).ends(seconds(3), EndReason::NoFirstByte);
    Case::new(1, all.first_byte(seconds(9))).ends(seconds(4), EndReason::Idle);
    Case::new(1, all.first_byte(seconds(9)).idle(seconds(9))).ends(seconds(5), EndReason::TooOld);
}

#[test]
fn they_are_changed_and_taken_away_while_it_runs_and_count_from_then() {
    let case = Case::new(1, Timeouts::new().idle(seconds(10)));
    case.go_to(seconds(9));
    case.socket.set_timeouts(Timeouts::new().idle(seconds(20)));
    case.go_to(seconds(28));
    case.goes_on();
    case.socket.set_timeouts(Timeouts::new());
    case.go_to(seconds(500));
    case.goes_on();
    case.socket.set_timeouts(Timeouts::new().lifetime(seconds(7)).first_byte(seconds(8)));
    case.ends(seconds(507), EndReason::TooOld);
}

#[test]
fn the_servers_are_for_the_connections_to_come() {
    let case = Case::new(1, Timeouts::new());
    case.server.set_timeouts(Timeouts::new().idle(seconds(2)));
    let _other = case.network.connect(case.server.server_port()).unwrap();
    let socket = support::next(&case.event_loop, &case.server);
    until(&case.event_loop, || socket.end_reason() == Some(EndReason::Idle));
    case.go_to(seconds(100));
    assert_eq!(case.socket.end_reason(), None);
    assert_eq!(case.server.statistics().timed_out, 1);
}

#[test]
fn they_begin_when_the_socket_is_made_and_not_while_it_waits_to_be_taken() {
    let case = Case::new(1, Timeouts::new().first_byte(seconds(5)));
    let _other = case.network.connect(case.server.server_port()).unwrap();
    until(&case.event_loop, || case.server.has_pending_connections());
    case.go_to(seconds(100));
    let socket = case.server.next_pending_connection().unwrap();
    while socket.end_reason().is_none() {
        case.event_loop.process_events(Some(seconds(3600))).unwrap();
    }
    assert_eq!((case.network.elapsed(), socket.end_reason()), (seconds(105), Some(EndReason::NoFirstByte)));
}

#[test]
fn they_hold_on_another_loop_and_are_counted_by_the_server() {
    let network = SimulatedNetwork::new(1).unwrap();
    let world = World::Simulation(network.clone());
    let ((event_loop, server), elsewhere) = (world.server(), world.event_loop());
    server.set_timeouts(Timeouts::new().idle(seconds(4)));
    let kept: Rc<RefCell<Vec<IncomingConnection>>> = Rc::default();
    let keep = Rc::clone(&kept);
    server.set_incoming_connection(move |_, connection| keep.borrow_mut().push(connection));
    let _client = world.connect(server.server_port());
    until(&event_loop, || !kept.borrow().is_empty());
    network.pass(seconds(60));
    let socket = TcpSocket::from_incoming(&elsewhere, kept.borrow_mut().remove(0));
    while socket.end_reason().is_none() {
        elsewhere.process_events(Some(seconds(3600))).unwrap();
    }
    assert_eq!((network.elapsed(), socket.end_reason()), (seconds(64), Some(EndReason::Idle)));
    assert_eq!((server.statistics().timed_out, server.statistics().open), (1, 0));
}

#[test]
fn no_turn_is_taken_earlier_than_the_earliest_deadline() {
    let mut case = Case::new(1, Timeouts::new().idle(seconds(60)).lifetime(seconds(600)));
    settle(&case.event_loop);
    case.client.try_send(b"x").unwrap();
    settle(&case.event_loop);
    let left = seconds(59).saturating_sub(case.network.elapsed());
    case.event_loop.process_events(Some(left)).unwrap();
    assert_eq!(case.network.elapsed(), seconds(59), "it slept");
    let mut turns = 0;
    while case.network.elapsed() < seconds(120) && case.socket.end_reason().is_none() {
        case.event_loop.process_events(Some(seconds(3600))).unwrap();
        turns += 1;
    }
    assert!(turns <= 4, "{turns} turns");
}

#[test]
fn a_socket_without_a_connection_gets_none_and_a_new_connection_has_none() {
    let world = World::simulation(1);
    let (event_loop, server, socket, log) = world.outgoing();
    socket.set_timeouts(Timeouts::new().lifetime(seconds(1)));
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    until(&event_loop, || socket.state() == SocketState::Connected);
    event_loop.process_events(Some(seconds(50))).unwrap();
    socket.set_timeouts(Timeouts::new().lifetime(seconds(1)));
    until(&event_loop, || socket.state() == SocketState::Unconnected);
    assert_eq!(socket.end_reason(), Some(EndReason::TooOld));
    assert!(log.take().contains("SocketTimeout"));
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    until(&event_loop, || socket.state() == SocketState::Connected);
    assert_eq!(socket.end_reason(), None);
    event_loop.process_events(Some(seconds(50))).unwrap();
    settle(&event_loop);
    assert_eq!(socket.state(), SocketState::Connected);
}

#[test]
fn dropped_sockets_with_unsent_bytes_have_them_too() {
    let mut case = Case::new(1, Timeouts::new().lifetime(seconds(3)));
    case.socket.write(&vec![1; 200_000]);
    let Case { network, event_loop, server, socket, client, .. } = &mut case;
    let dropped = std::mem::replace(socket, TcpSocket::new(event_loop));
    drop(dropped);
    while server.statistics().open > 0 {
        event_loop.process_events(Some(seconds(3600))).unwrap();
    }
    assert_eq!((network.elapsed(), server.statistics().timed_out), (seconds(3), 1));
    assert_eq!(client.receive_all(event_loop).1, Arrived::Reset);
}

#[test]
fn on_the_system_they_end_what_they_are_to_end_and_nothing_else() {
    let (event_loop, server) = World::Os.server();
    let mut sockets = Vec::new();
    let tick = Duration::from_millis(30);
    let kinds = [
        (Timeouts::new().first_byte(tick), EndReason::NoFirstByte),
        (Timeouts::new().idle(tick), EndReason::Idle),
        (Timeouts::new().lifetime(tick), EndReason::TooOld),
        (Timeouts::new().min_progress(1000, tick), EndReason::TooSlow),
    ];
    for (timeouts, reason) in kinds {
        server.set_timeouts(timeouts);
        let client = World::Os.connect(server.server_port());
        sockets.push((support::next(&event_loop, &server), client, reason));
    }
    server.set_timeouts(Timeouts::new().idle(LIMIT).first_byte(LIMIT).lifetime(LIMIT));
    let client = World::Os.connect(server.server_port());
    let behaves = support::next(&event_loop, &server);
    for (socket, client, reason) in &mut sockets {
        assert_eq!(client.receive_all(&event_loop).1, Arrived::Reset);
        assert_eq!(socket.end_reason(), Some(*reason));
    }
    assert_eq!((behaves.end_reason(), server.statistics().timed_out), (None, 4));
    drop(client);
}
