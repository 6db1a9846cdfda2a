//! Draining: very many connections, drains one after another, loops that come late, lacking descriptors.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use support::{Client, World, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{DrainReport, EndReason, EventLoop, HostAddress, IncomingConnection, ServerState};
use vestibule::{TcpServer, TcpSocket};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

type Reports = Rc<RefCell<Vec<DrainReport>>>;

fn reports(server: &TcpServer) -> Reports {
    let reports = Reports::default();
    let list = Rc::clone(&reports);
    server.drained().connect(move |_, report| list.borrow_mut().push(report));
    reports
}

fn one(event_loop: &EventLoop, reports: &Reports) -> DrainReport {
    until(event_loop, || !reports.borrow().is_empty());
    reports.borrow_mut().remove(0)
}

/// A server that hands its connections to another loop of its network, on the same thread.
struct Two {
    network: SimulatedNetwork,
    here: EventLoop,
    elsewhere: EventLoop,
    server: TcpServer,
    kept: Rc<RefCell<Vec<IncomingConnection>>>,
}

impl Two {
    fn new(seed: u64) -> Self {
        let network = SimulatedNetwork::new(seed).unwrap();
        let (here, elsewhere) = (network.event_loop(), network.event_loop());
        let server = TcpServer::new(&here);
        let kept: Rc<RefCell<Vec<IncomingConnection>>> = Rc::default();
        let keep = Rc::clone(&kept);
        server.set_incoming_connection(move |_, connection| keep.borrow_mut().push(connection));
        server.listen(HostAddress::LOCALHOST, 7777).unwrap();
        Self { network, here, elsewhere, server, kept }
    }

    /// A connection that is not yet on the other loop.
    fn connection(&self) -> (IncomingConnection, Client) {
        let client = Client::Simulated(self.network.connect(7777).unwrap());
        until(&self.here, || !self.kept.borrow().is_empty());
        (self.kept.borrow_mut().remove(0), client)
    }

    /// A socket on the other loop, which counts how often it is told of a drain.
    fn socket(&self) -> (TcpSocket, Client, Rc<Cell<u32>>) {
        let (connection, client) = self.connection();
        let (socket, told) =
            (TcpSocket::from_incoming(&self.elsewhere, connection), Rc::<Cell<u32>>::default());
        let number = Rc::clone(&told);
        socket.draining().connect(move |_| number.set(number.get() + 1));
        (socket, client, told)
    }

    fn turn_elsewhere(&self) {
        self.elsewhere.process_events(Some(Duration::ZERO)).unwrap();
    }
}

#[test]
fn fifty_thousand_connections_are_drained_in_small_steps() {
    const NUMBER: usize = 50_000;
    let world = World::simulation(5);
    let (event_loop, server) = world.server();
    let (ended, most, last) = (Rc::new(Cell::new(0_usize)), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    server.set_max_pending_connections(NUMBER);
    let number = Rc::clone(&ended);
    server.new_connection().connect(move |server| {
        let (socket, number) = (server.next_pending_connection().unwrap(), Rc::clone(&number));
        socket.disconnected().connect(move |_| number.set(number.get() + 1));
        socket.set_parent(server);
    });
    let _far: Vec<_> = (0..NUMBER).map(|_| world.connect(server.server_port())).collect();
    until(&event_loop, || server.statistics().open == NUMBER as u64);
    let (seen, between) = (Rc::clone(&ended), Rc::clone(&most));
    let ticks = Rc::new(Cell::new(0_usize));
    let tick = Rc::clone(&ticks);
    event_loop.start_timer(Duration::ZERO, move |_| {
        between.set(between.get().max(seen.get() - last.replace(seen.get())));
        tick.set(tick.get() + 1);
    });
    let reports = reports(&server);
    server.drain(LONG);
    let report = one(&event_loop, &reports);
    assert_eq!((report.idle, report.cut, ended.get()), (NUMBER as u64, 0, NUMBER));
    assert!(most.get() <= 500 && ticks.get() >= 100, "{} between two of {} ticks", most.get(), ticks.get());
}

#[test]
fn thousands_are_cut_in_small_steps_too() {
    const NUMBER: usize = 5_000;
    let world = World::simulation(6);
    let (event_loop, server) = world.server();
    let (ended, most, last) = (Rc::new(Cell::new(0_usize)), Rc::new(Cell::new(0)), Cell::new(0));
    let number = Rc::clone(&ended);
    server.new_connection().connect(move |server| {
        let (socket, number) = (server.next_pending_connection().unwrap(), Rc::clone(&number));
        socket.draining().connect(|_| {});
        socket.disconnected().connect(move |_| number.set(number.get() + 1));
        socket.set_parent(server);
    });
    let _far: Vec<_> = (0..NUMBER).map(|_| world.connect(server.server_port())).collect();
    until(&event_loop, || server.statistics().open == NUMBER as u64);
    let (seen, between) = (Rc::clone(&ended), Rc::clone(&most));
    event_loop.start_timer(Duration::ZERO, move |_| {
        between.set(between.get().max(seen.get() - last.replace(seen.get())));
    });
    let reports = reports(&server);
    server.drain(Duration::ZERO);
    until(&event_loop, || !reports.borrow().is_empty() && ended.get() == NUMBER);
    assert_eq!((one(&event_loop, &reports).cut, ended.get()), (NUMBER as u64, NUMBER));
    assert!(most.get() <= 500, "{} between two ticks", most.get());
}

#[test]
fn a_deadline_is_kept_exactly() {
    for seed in 0..8 {
        let world = World::simulation(seed);
        let (event_loop, server, socket, _client) = world.pair();
        socket.draining().connect(|_| {});
        let reports = reports(&server);
        server.drain(Duration::from_secs(7));
        server.drain(Duration::from_secs(3));
        server.drain(Duration::from_secs(5));
        while reports.borrow().is_empty() {
            event_loop.process_events(Some(LONG)).unwrap();
        }
        let report = reports.borrow_mut().remove(0);
        assert_eq!((report.took, report.cut), (Duration::from_secs(3), 1));
        assert_eq!(socket.end_reason(), Some(EndReason::CutByDrain));
    }
}

#[test]
fn a_server_that_was_dropped_while_it_drained_is_closed() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server, socket, _client) = world.pair();
        socket.draining().connect(|_| {});
        let handle = server.handle();
        server.drain(LONG);
        settle(&event_loop);
        drop(server);
        assert_eq!(handle.state(), ServerState::Closed);
        assert!(handle.wait_for_state(ServerState::Closed, Some(Duration::ZERO)));
    }
}

/// 1. A connection with unread bytes is told of a drain.
/// 2. The server is dropped, which ends the drain: sockets that were taken go on.
/// 3. The bytes are read in `ready_read`, and nothing is unread.
#[test]
fn a_socket_of_a_server_that_was_dropped_while_it_drained_goes_on() {
    let world = World::simulation(1);
    let (event_loop, server, socket, mut client) = world.pair();
    client.send(&event_loop, b"un");
    until(&event_loop, || socket.bytes_available() == 2);
    server.drain(LONG);
    settle(&event_loop);
    drop(server);
    socket.ready_read().connect(|socket| {
        socket.read_all();
    });
    client.send(&event_loop, b"read");
    until(&event_loop, || socket.bytes_available() == 0);
    settle(&event_loop);
    assert_eq!(socket.end_reason(), None);
}

/// 1. An idle connection on another loop, which has got more than 16 KiB, is ended and lingers there.
/// 2. That loop takes no more turns: its descriptor is open when the time is over.
#[test]
fn a_connection_that_lingers_out_of_reach_is_counted_once() {
    let two = Two::new(1);
    let (connection, mut client) = two.connection();
    let socket = TcpSocket::from_incoming(&two.elsewhere, connection);
    socket.write(&vec![1; 30_000]);
    assert_eq!(client.receive(&two.elsewhere, 30_000), vec![1; 30_000]);
    let reports = reports(&two.server);
    two.server.drain(Duration::from_secs(1));
    two.turn_elsewhere();
    assert_eq!(socket.end_reason(), Some(EndReason::Drained));
    let report = one(&two.here, &reports);
    assert_eq!(report.ended + report.idle + report.cut + report.out_of_reach, 1, "{report:?}");
}

/// 1. A connection elsewhere is told of a drain, and stays out of reach because its loop takes no turns.
/// 2. The server listens again, and drains again.
#[test]
fn a_connection_that_outlived_one_drain_is_told_of_the_next() {
    let two = Two::new(1);
    let (socket, _client, told) = two.socket();
    let reports = reports(&two.server);
    two.server.drain(Duration::from_secs(1));
    two.turn_elsewhere();
    assert_eq!((told.get(), one(&two.here, &reports).out_of_reach), (1, 1));
    for _ in 0..3 {
        two.turn_elsewhere();
    }
    assert_eq!(socket.end_reason(), None);
    two.server.listen(HostAddress::LOCALHOST, 7777).unwrap();
    two.server.drain(LONG);
    for _ in 0..3 {
        two.turn_elsewhere();
    }
    assert_eq!(told.get(), 2);
}

/// 1. A loop tells its connections of a drain, and takes no turns until the drain is over.
/// 2. The server listens again, and the loop gets another connection.
/// 3. The server drains again, before the loop takes its next turn.
#[test]
fn a_loop_that_slept_from_one_drain_to_the_next_tells_the_new_connections() {
    let two = Two::new(1);
    let (_socket, _client, told) = two.socket();
    let reports = reports(&two.server);
    two.server.drain(Duration::from_secs(1));
    two.turn_elsewhere();
    assert_eq!((told.get(), one(&two.here, &reports).out_of_reach), (1, 1));
    two.server.listen(HostAddress::LOCALHOST, 7777).unwrap();
    let (_other, _far, told) = two.socket();
    two.server.drain(LONG);
    for _ in 0..3 {
        two.turn_elsewhere();
    }
    assert_eq!(told.get(), 1);
}

/// 1. The deadline has come, and another loop has cut its connections.
/// 2. Within the half second that remains, a connection comes to that loop.
#[test]
fn a_connection_that_comes_after_the_deadline_is_cut_too() {
    let two = Two::new(1);
    let (_socket, _client, _told) = two.socket();
    let (late, _far) = two.connection();
    let reports = reports(&two.server);
    two.server.drain(Duration::from_secs(1));
    while two.server.statistics().open == 2 {
        two.here.process_events(Some(Duration::from_millis(10))).unwrap();
        two.turn_elsewhere();
        assert!(reports.borrow().is_empty());
    }
    let late = TcpSocket::from_incoming(&two.elsewhere, late);
    late.draining().connect(|_| {});
    for _ in 0..3 {
        two.turn_elsewhere();
    }
    assert_eq!(late.end_reason(), Some(EndReason::CutByDrain));
    let report = one(&two.here, &reports);
    assert_eq!((report.cut, report.out_of_reach), (2, 0), "{report:?}");
}

/// 1. A server has no descriptors left, one open connection and a client in its queue.
/// 2. It drains; the open connection ends, which releases a descriptor.
/// 3. The server tries by itself when a descriptor is released, without waiting for its back-off.
#[test]
fn a_descriptor_that_is_released_during_a_drain_is_used_at_once() {
    let network = SimulatedNetwork::new(1).unwrap();
    let world = World::Simulation(network.clone());
    let (event_loop, server, socket, _client) = world.pair();
    network.set_descriptors(Some(0));
    let _waiting = world.connect(server.server_port());
    until(&event_loop, || server.state() == ServerState::Exhausted);
    event_loop.process_events(Some(Duration::from_millis(400))).unwrap();
    until(&event_loop, || server.statistics().errors.resources >= 8); // the back-off is long by now
    server.drain(LONG);
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    let soon = network.elapsed() + Duration::from_millis(10);
    drop(socket);
    event_loop.single_shot(Duration::ZERO, |_| {});
    until(&event_loop, || server.has_pending_connections());
    assert!(network.elapsed() < soon, "{:?} and not {soon:?}", network.elapsed());
}
