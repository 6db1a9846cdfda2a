//! Draining connections on other loops, in other hands, without an owner, and without a server or a loop.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use support::{Arrived, Client, LIMIT, Log, World, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{
    DrainReport, EndReason, EventLoop, HostAddress, IncomingConnection, ServerState, SocketError, TcpServer,
    TcpSocket,
};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);
/// As long as a test may wait.
const SHORT: Duration = Duration::from_millis(30);

type Reports = Rc<RefCell<Vec<DrainReport>>>;

fn reports(server: &TcpServer) -> Reports {
    let reports = Reports::default();
    let list = Rc::clone(&reports);
    server.drained().connect(move |_, report| list.borrow_mut().push(report));
    reports
}

/// The report of a drain that began with so many connections, and lets nobody in.
fn one(event_loop: &EventLoop, reports: &Reports, open: u64) -> [u64; 4] {
    until(event_loop, || !reports.borrow().is_empty());
    let report = reports.borrow_mut().remove(0);
    assert_eq!(report.ended + report.idle + report.cut + report.out_of_reach, open, "{report:?}");
    assert_eq!((report.cut, report.let_in), (report.cut_peers.len() as u64, 0), "{report:?}");
    [report.ended, report.idle, report.cut, report.out_of_reach]
}

/// A server whose connections are left where the program finds them, and so many of them with their clients.
fn hooked(world: &World, number: usize) -> (EventLoop, TcpServer, Vec<(IncomingConnection, Client)>) {
    let (event_loop, server) = world.server();
    let kept: Rc<RefCell<Vec<IncomingConnection>>> = Rc::default();
    let keep = Rc::clone(&kept);
    server.set_incoming_connection(move |_, connection| keep.borrow_mut().push(connection));
    let connect = |_| {
        let client = world.connect(server.server_port());
        until(&event_loop, || !kept.borrow().is_empty());
        (kept.borrow_mut().remove(0), client)
    };
    let pairs = (0..number).map(connect).collect();
    (event_loop, server, pairs)
}

/// Both loops take turns until something holds.
fn until_both(loops: [&EventLoop; 2], mut holds: impl FnMut() -> bool) {
    until(loops[0], || {
        loops[1].process_events(Some(Duration::ZERO)).unwrap();
        holds()
    });
}

on_both! {
    fn connections_of_another_loop_are_told_and_ended_or_cut_there(world: &World) {
        let (event_loop, server, mut pairs) = hooked(world, 3);
        let (elsewhere, reports, log) = (world.event_loop(), reports(&server), Log::default());
        let sockets: Vec<_> =
            pairs.drain(..).map(|(it, client)| (TcpSocket::from_incoming(&elsewhere, it), client)).collect();
        let sockets: [_; 3] = sockets.try_into().ok().unwrap();
        let [(idle, mut far_idle), (own, mut far_own), (busy, mut far_busy)] = sockets;
        for (name, socket) in [("own", &own), ("busy", &busy)] {
            let words = log.clone();
            socket.draining().connect(move |_| words.add(name));
        }
        let loops = [&event_loop, &elsewhere];
        server.drain(Duration::from_millis(200));
        until_both(loops, || idle.end_reason().is_some() && log.len() == 2);
        own.disconnect_from_host();
        until_both(loops, || !reports.borrow().is_empty());
        elsewhere.process_events(Some(Duration::ZERO)).unwrap();
        assert_eq!(one(&event_loop, &reports, 3), [1, 1, 1, 0]);
        let reasons = [idle.end_reason(), own.end_reason(), busy.end_reason()];
        assert_eq!(reasons, [EndReason::Drained, EndReason::Here, EndReason::CutByDrain].map(Some));
        assert_eq!(far_idle.receive_to_end(&event_loop), b"");
        assert_eq!(far_own.receive_to_end(&event_loop), b"");
        assert_eq!(far_busy.receive_all(&event_loop).1, Arrived::Reset);
    }

    fn a_connection_that_comes_to_its_loop_during_the_drain_is_told_there(world: &World) {
        let (event_loop, server, mut pairs) = hooked(world, 2);
        let (elsewhere, reports) = (world.event_loop(), reports(&server));
        server.drain(LONG);
        settle(&event_loop);
        assert!(reports.borrow().is_empty());
        let (connection, mut client) = pairs.remove(0);
        let socket = TcpSocket::from_incoming(&elsewhere, connection);
        socket.draining().connect(|socket| { socket.write(b"goodbye"); socket.disconnect_from_host(); });
        until_both([&event_loop, &elsewhere], || socket.end_reason().is_some());
        assert_eq!(client.receive_to_end(&elsewhere), b"goodbye");
        let (connection, mut client) = pairs.remove(0);
        drop(connection);
        assert_eq!(client.receive_to_end(&event_loop), b"");
        assert_eq!(one(&event_loop, &reports, 2), [2, 0, 0, 0]);
    }

    fn what_the_program_keeps_is_out_of_reach_and_goes_on(world: &World) {
        let (event_loop, server, mut pairs) = hooked(world, 2);
        let reports = reports(&server);
        let (kept, _far) = pairs.remove(0);
        let (connection, _client) = pairs.remove(0);
        let (_stream, permit) = connection.into_parts();
        server.drain(SHORT);
        until(&event_loop, || !server.is_listening());
        assert_eq!(one(&event_loop, &reports, 2), [0, 0, 0, 2]);
        assert_eq!((server.state(), server.statistics().open), (ServerState::Closed, 2));
        drop((kept, permit));
        assert_eq!(server.statistics().open, 0);
    }

    fn a_place_that_is_given_back_ends_the_drain(world: &World) {
        let (event_loop, server, mut pairs) = hooked(world, 2);
        let reports = reports(&server);
        let (stream, permit) = pairs.remove(0).0.into_parts();
        server.drain(LONG);
        settle(&event_loop);
        assert!(reports.borrow().is_empty());
        drop((stream, permit));
        drop(std::net::TcpStream::from(pairs.remove(0).0));
        assert_eq!(one(&event_loop, &reports, 2), [2, 0, 0, 0]);
    }

    fn a_socket_that_becomes_a_stream_is_counted_no_more(world: &World) {
        let (event_loop, server, mut pairs) = world.pairs(2);
        let reports = reports(&server);
        let _before = pairs.remove(0).0.into_std().unwrap();
        let (socket, _client) = pairs.remove(0);
        socket.draining().connect(|_| {});
        server.drain(LONG);
        settle(&event_loop);
        assert!(reports.borrow().is_empty());
        let _during = socket.into_std().unwrap();
        assert_eq!(one(&event_loop, &reports, 1), [1, 0, 0, 0]);
    }

    fn dropped_sockets_are_waited_for_and_those_with_unsent_bytes_are_cut(world: &World) {
        let (event_loop, server, mut pairs) = world.pairs(2);
        let reports = reports(&server);
        let (sending, mut slow) = pairs.remove(0);
        let (lingering, mut client) = pairs.remove(0);
        sending.write(&vec![1; if matches!(world, World::Os) { 16 << 20 } else { 200_000 }]);
        lingering.write(&vec![2; 30_000]);
        drop((sending, lingering));
        assert_eq!(client.receive_to_end(&event_loop), vec![2; 30_000]);
        assert_eq!(server.statistics().open, 2, "it lingers until the peer ends");
        server.drain(SHORT);
        until(&event_loop, || !reports.borrow().is_empty());
        assert_eq!(reports.borrow()[0].cut_peers, [slow.local_addr()]);
        assert_eq!(one(&event_loop, &reports, 2), [1, 0, 1, 0]);
        assert_eq!(slow.receive_all(&event_loop).1, Arrived::Reset);
    }

    fn parented_sockets_are_let_go_when_they_have_ended(world: &World) {
        let (event_loop, server, pairs) = world.pairs(3);
        let reports = reports(&server);
        let mut far = Vec::new();
        for (socket, client) in pairs {
            if far.is_empty() {
                socket.draining().connect(|_| {});
            }
            socket.set_parent(&server);
            far.push(client);
        }
        server.drain(SHORT);
        assert_eq!(one(&event_loop, &reports, 3), [0, 2, 1, 0]);
        settle(&event_loop);
        server.for_each_child(|socket| panic!("{socket:?}"));
        assert_eq!(far[0].receive_all(&event_loop).1, Arrived::Reset);
        assert_eq!(far[1].receive_to_end(&event_loop), b"");
    }

    fn a_drain_may_begin_in_any_slot(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let (reports, weak) = (reports(&server), server.downgrade());
        socket.ready_read().connect(move |socket| {
            weak.with(|server| server.drain(LONG));
            socket.read_with(|bytes| socket.write(bytes));
        });
        client.send(&event_loop, b"quit");
        assert_eq!(client.receive_to_end(&event_loop), b"quit");
        assert_eq!(one(&event_loop, &reports, 1), [0, 1, 0, 0]);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        server.new_connection().connect(|server| server.drain(Duration::ZERO));
        let mut client = world.connect(server.server_port());
        until(&event_loop, || !reports.borrow().is_empty());
        assert_eq!(one(&event_loop, &reports, 1), [0, 0, 1, 0]);
        assert_ne!(client.receive_all(&event_loop).1, Arrived::Nothing);
    }

    fn the_server_may_be_dropped_during_the_drain(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let (reports, log) = (reports(&server), Log::default());
        socket.draining().connect({ let words = log.clone(); move |_| words.add("told") });
        server.drain(SHORT);
        until(&event_loop, || log.len() == 1);
        drop(server);
        event_loop.process_events(Some(SHORT * 2)).unwrap();
        settle(&event_loop);
        assert!(reports.borrow().is_empty());
        socket.write(b"alive");
        assert_eq!(client.receive(&event_loop, 5), b"alive", "sockets that were taken go on");
    }

    fn the_server_may_be_dropped_in_drained(world: &World) {
        let (event_loop, server, _socket, mut client) = world.pair();
        let home = Rc::new(RefCell::new(None));
        let owner = Rc::clone(&home);
        server.drained().connect(move |_, _| drop(owner.take()));
        server.drain(LONG);
        home.replace(Some(server));
        until(&event_loop, || home.borrow().is_none());
        assert_eq!(client.receive_to_end(&event_loop), b"");
    }

    fn the_loop_may_be_dropped_during_the_drain(world: &World) {
        let (event_loop, server, socket, _client) = world.pair();
        socket.draining().connect(|_| {});
        server.drain(LONG);
        settle(&event_loop);
        drop(event_loop);
        assert_eq!(server.state(), ServerState::Draining);
        assert_eq!(server.listen(HostAddress::LOCALHOST, 0).unwrap_err().kind(), SocketError::Operation);
        drop((server, socket));
    }
}

#[test]
fn another_thread_is_woken_to_tell_end_and_cut_its_connections() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::bind(&event_loop, "127.0.0.1:0").unwrap();
    let (to_thread, ready) = mpsc::channel();
    let worker = thread::spawn(move || {
        let event_loop = EventLoop::new().unwrap();
        let sockets: Rc<RefCell<Vec<TcpSocket>>> = Rc::default();
        let (list, lp) = (Rc::clone(&sockets), event_loop.handle());
        let ended = Rc::new(Cell::new(0));
        let inner = EventLoop::clone(&event_loop);
        let sender = event_loop.channel(move |connection: IncomingConnection| {
            let socket = TcpSocket::from_incoming(&inner, connection);
            if list.borrow().is_empty() {
                socket.draining().connect(|_| {});
            }
            let (ended, lp) = (Rc::clone(&ended), lp.clone());
            socket.disconnected().connect(move |_| {
                ended.set(ended.get() + 1);
                if ended.get() == 3 {
                    lp.quit();
                }
            });
            list.borrow_mut().push(socket);
        });
        to_thread.send(sender).unwrap();
        event_loop.run().unwrap();
        let sockets = sockets.borrow();
        sockets.iter().map(|it| it.end_reason().unwrap()).collect::<Vec<_>>()
    });
    let pool = ready.recv_timeout(LIMIT).unwrap();
    server.set_incoming_connection(move |_, connection| pool.send(connection).unwrap());
    let mut far: Vec<_> = (0..3).map(|_| World::Os.connect(server.server_port())).collect();
    until(&event_loop, || server.statistics().accepted == 3);
    let reports = reports(&server);
    server.drain(Duration::from_millis(300));
    assert_eq!(one(&event_loop, &reports, 3), [0, 2, 1, 0]);
    assert_eq!(worker.join().unwrap(), [EndReason::CutByDrain, EndReason::Drained, EndReason::Drained]);
    assert_eq!(far[0].receive_all(&event_loop).1, Arrived::Reset);
    assert_eq!(far[1].receive_to_end(&event_loop), b"");
}

/// A server on a network, and a socket of one of its connections on another loop of the same network.
fn two_loops(network: &SimulatedNetwork) -> (World, EventLoop, EventLoop, TcpServer, TcpSocket, Client) {
    let world = World::Simulation(network.clone());
    let (event_loop, server, mut pairs) = hooked(&world, 1);
    let (elsewhere, (connection, client)) = (world.event_loop(), pairs.remove(0));
    let socket = TcpSocket::from_incoming(&elsewhere, connection);
    (world, event_loop, elsewhere, server, socket, client)
}

#[test]
fn a_loop_that_takes_no_turns_has_half_a_second_and_is_out_of_reach_then() {
    let network = SimulatedNetwork::new(3).unwrap();
    let (_world, event_loop, _elsewhere, server, socket, _client) = two_loops(&network);
    let reports = reports(&server);
    let end = network.elapsed() + Duration::from_millis(1500);
    server.drain(Duration::from_secs(1));
    until(&event_loop, || !reports.borrow().is_empty());
    assert_eq!(reports.borrow()[0].took, Duration::from_millis(1500));
    assert_eq!(network.elapsed(), end);
    assert_eq!(one(&event_loop, &reports, 1), [0, 0, 0, 1]);
    assert_eq!(socket.end_reason(), None);
}
