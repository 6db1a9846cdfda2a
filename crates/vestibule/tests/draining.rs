//! Draining: who is ended when, what the peers see, and what the report says.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use support::{Arrived, Client, LIMIT, Log, World, settle, until};
use vestibule::{DrainReport, EndReason, EventLoop, ServerState, SocketError, TcpServer, TcpSocket};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);
/// As long as a test may wait.
const SHORT: Duration = Duration::from_millis(30);

/// The reports of a server's drains.
struct Reports(Rc<RefCell<Vec<DrainReport>>>);

impl Reports {
    fn of(server: &TcpServer) -> Self {
        let reports: Rc<RefCell<Vec<DrainReport>>> = Rc::default();
        let list = Rc::clone(&reports);
        server.drained().connect(move |server, report| {
            assert!(!server.is_listening() && server.state() == ServerState::Closed);
            list.borrow_mut().push(report);
        });
        Self(reports)
    }

    fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The only report of a drain that began with so many connections.
    fn one(&self, event_loop: &EventLoop, open: u64) -> DrainReport {
        until(event_loop, || !self.is_empty());
        settle(event_loop);
        let mut reports = self.0.take();
        assert_eq!(reports.len(), 1, "{reports:?}");
        let report = reports.remove(0);
        let ended = report.ended + report.idle + report.cut + report.out_of_reach;
        assert_eq!(ended, open + report.let_in, "{report:?}");
        assert_eq!(report.cut, report.cut_peers.len() as u64, "{report:?}");
        report
    }

    /// The same, as the numbers of those that ended, were idle and were cut.
    fn numbers(&self, event_loop: &EventLoop, open: u64) -> [u64; 3] {
        let report = self.one(event_loop, open);
        assert_eq!((report.out_of_reach, report.let_in, report.refused), (0, 0, 0), "{report:?}");
        [report.ended, report.idle, report.cut]
    }
}

/// More than the network takes while nobody reads.
fn too_many(world: &World) -> Vec<u8> {
    vec![3; if matches!(world, World::Os) { 16 << 20 } else { 200_000 }]
}

/// A socket that is not ended while it is told of the drain; the cell says how often it was.
fn keep(socket: &TcpSocket) -> Rc<Cell<u32>> {
    let told = Rc::new(Cell::new(0));
    let number = Rc::clone(&told);
    socket.draining().connect(move |_| number.set(number.get() + 1));
    told
}

fn assert_cut(event_loop: &EventLoop, client: &mut Client) {
    assert_eq!(client.receive_all(event_loop).1, Arrived::Reset);
}

on_both! {
    fn idle_connections_are_closed_and_their_peers_see_a_clean_end(world: &World) {
        let (event_loop, server, mut pairs) = world.pairs(3);
        let (reports, log) = (Reports::of(&server), Log::default());
        for (socket, _) in &pairs {
            let words = log.clone();
            socket.disconnected().connect(move |socket| words.add(socket.end_reason().unwrap().to_string()));
        }
        assert_eq!(pairs[0].0.end_reason(), None);
        server.drain(LONG);
        assert_eq!((server.state(), reports.is_empty()), (ServerState::Draining, true), "it does not block");
        for (_, client) in &mut pairs {
            assert_eq!(client.receive_to_end(&event_loop), b"");
        }
        assert_eq!(reports.numbers(&event_loop, 3), [0, 3, 0]);
        assert_eq!(log.take(), [EndReason::Drained.to_string().as_str(); 3].join(" "));
        assert_eq!((server.statistics().open, server.statistics().cut), (0, 0));
    }

    fn what_is_unread_is_read_and_answered_first(world: &World) {
        let (event_loop, server, mut pairs) = world.pairs(2);
        let reports = Reports::of(&server);
        pairs[0].1.send(&event_loop, b"question");
        until(&event_loop, || pairs[0].0.bytes_available() == 8);
        pairs[1].0.ready_read().connect(|socket| { socket.read_with(|bytes| socket.write(bytes)); });
        pairs[1].1.send(&event_loop, b"in the kernel still");
        server.drain(LONG);
        assert_eq!(pairs[1].1.receive_to_end(&event_loop), b"in the kernel still");
        settle(&event_loop);
        let (socket, client) = &mut pairs[0];
        assert_eq!((socket.end_reason(), client.look()), (None, Arrived::Nothing));
        assert_eq!(socket.read_all(), b"question");
        socket.write(b"answer");
        assert_eq!(client.receive_to_end(&event_loop), b"answer");
        assert_eq!(reports.numbers(&event_loop, 2), [0, 2, 0]);
    }

    fn what_is_unsent_arrives_before_the_end(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let reports = Reports::of(&server);
        let bytes = too_many(world);
        socket.write(&bytes);
        server.drain(LONG);
        settle(&event_loop);
        assert_eq!(socket.end_reason(), None);
        assert_eq!(client.receive_to_end(&event_loop).len(), bytes.len());
        drop(client);
        assert_eq!(reports.numbers(&event_loop, 1), [0, 1, 0]);
        assert_eq!(socket.end_reason(), Some(EndReason::Drained));
    }

    fn a_socket_with_a_slot_is_told_once_and_left_alone_until_it_ends_itself(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let (reports, told) = (Reports::of(&server), keep(&socket));
        settle(&event_loop);
        assert_eq!(told.get(), 0);
        server.drain(LONG);
        server.drain(LONG);
        settle(&event_loop);
        assert_eq!((told.get(), socket.end_reason(), reports.is_empty()), (1, None, true));
        socket.write(b"goodbye");
        settle(&event_loop);
        assert_eq!(socket.end_reason(), None);
        socket.disconnect_from_host();
        assert_eq!(client.receive_to_end(&event_loop), b"goodbye");
        assert_eq!((reports.numbers(&event_loop, 1), told.get()), ([1, 0, 0], 1));
        assert_eq!(socket.end_reason(), Some(EndReason::Here));
    }

    fn a_slot_may_end_it_at_once_drop_the_owner_or_write_more(world: &World) {
        let (event_loop, server, mut pairs) = world.pairs(3);
        let reports = Reports::of(&server);
        pairs[0].0.draining().connect(TcpSocket::abort);
        let home: Rc<RefCell<Option<TcpSocket>>> = Rc::default();
        let owner = Rc::clone(&home);
        pairs[1].0.draining().connect(move |socket| {
            socket.write(b"dropped");
            drop(owner.take());
        });
        pairs[2].0.draining().connect(|socket| {
            socket.write(b"bye");
            socket.disconnect_from_host();
        });
        let (socket, mut dropped) = pairs.remove(1);
        home.replace(Some(socket));
        server.drain(LONG);
        assert_eq!(dropped.receive_to_end(&event_loop), b"dropped");
        assert_eq!(pairs[0].1.receive_to_end(&event_loop), b"");
        assert_eq!(pairs[1].1.receive_to_end(&event_loop), b"bye");
        assert_eq!(reports.numbers(&event_loop, 3), [3, 0, 0]);
    }

    fn at_the_deadline_the_rest_is_cut_with_a_reset_and_its_peers_are_reported(world: &World) {
        let (event_loop, server, mut pairs) = world.pairs(4);
        let (reports, log) = (Reports::of(&server), Log::default());
        let mut peers: Vec<_> = pairs[..3].iter().map(|(_, client)| client.local_addr()).collect();
        peers.sort_unstable();
        let _told = keep(&pairs[0].0);
        pairs[1].1.send(&event_loop, b"nobody reads this");
        until(&event_loop, || pairs[1].0.bytes_available() > 0);
        pairs[2].0.write(&too_many(world));
        log.follow(&pairs[0].0);
        server.drain(SHORT);
        let mut report = reports.one(&event_loop, 4);
        report.cut_peers.sort_unstable();
        assert_eq!((report.ended, report.idle, report.cut, &report.cut_peers), (0, 1, 3, &peers));
        assert!(report.took >= SHORT && report.took < LIMIT, "{report:?}");
        assert_eq!(log.take(), "SocketTimeout closing unconnected finished gone");
        for (socket, client) in &mut pairs[..3] {
            assert_eq!(socket.end_reason(), Some(EndReason::CutByDrain));
            assert_eq!(socket.error(), SocketError::SocketTimeout);
            assert_cut(&event_loop, client);
        }
        assert_eq!((server.statistics().cut, server.statistics().open), (3, 0));
    }

    fn a_second_call_only_brings_the_deadline_forward_and_zero_ends_at_once(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let (reports, told) = (Reports::of(&server), keep(&socket));
        server.drain(LONG);
        settle(&event_loop);
        server.drain(Duration::ZERO);
        server.drain(LONG);
        assert_eq!(reports.numbers(&event_loop, 1), [0, 0, 1]);
        assert_eq!(told.get(), 1);
        assert_cut(&event_loop, &mut client);
        assert_eq!(reports.0.borrow().len(), 0, "one drain, one report");
    }

    fn with_no_time_at_all_everything_is_cut_and_still_told(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let (reports, log) = (Reports::of(&server), Log::default());
        log.follow(&socket);
        client.send(&event_loop, b"unread");
        until(&event_loop, || socket.bytes_available() == 6);
        log.take();
        server.drain(Duration::ZERO);
        assert_eq!(reports.numbers(&event_loop, 1), [0, 0, 1]);
        assert!(log.take().ends_with("gone"));
        assert_cut(&event_loop, &mut client);
    }

    fn the_numbers_add_up_whatever_the_connections_do(world: &World) {
        let (event_loop, server, mut pairs) = world.pairs(8);
        let reports = Reports::of(&server);
        let mut far = Vec::new();
        for number in 0..8 {
            let (socket, mut client) = pairs.remove(0);
            match number {
                0 => socket.set_parent(&server),
                1 => drop((socket.write(&too_many(world)), socket)),
                2 => server.add_pending_connection(socket).unwrap(),
                3 => {
                    client.reset();
                    pairs.push((socket, world.connect(server.server_port())));
                    continue;
                }
                4 => {
                    socket.draining().connect(TcpSocket::disconnect_from_host);
                    socket.set_parent(&server);
                }
                5 => {
                    client.send(&event_loop, b"unread");
                    socket.set_parent(&server);
                }
                _ => pairs.push((socket, world.connect(server.server_port()))),
            }
            far.push(client);
        }
        until(&event_loop, || server.statistics().pending == 4);
        let open = server.statistics().open;
        server.drain(SHORT);
        let report = reports.one(&event_loop, open);
        assert!(report.ended > 0 && report.idle > 0 && report.cut > 0, "{report:?}");
        assert_eq!((report.out_of_reach, server.statistics().open), (0, 0));
    }

    fn a_drain_without_connections_or_without_listening_is_over_in_a_turn_or_two(world: &World) {
        let event_loop = world.event_loop();
        let server = TcpServer::new(&event_loop);
        let reports = Reports::of(&server);
        server.drain(LONG);
        assert_eq!(server.state(), ServerState::Draining);
        assert_eq!(reports.numbers(&event_loop, 0), [0, 0, 0]);
        server.listen("127.0.0.1".parse::<std::net::IpAddr>().unwrap(), 0).unwrap();
        server.drain(LONG);
        assert_eq!(reports.numbers(&event_loop, 0), [0, 0, 0]);
        assert_eq!(server.state(), ServerState::Closed);
    }

    fn a_server_that_has_stopped_listening_drains_what_is_open(world: &World) {
        let (event_loop, server, _socket, mut client) = world.pair();
        let reports = Reports::of(&server);
        server.close();
        server.drain(LONG);
        assert_eq!(client.receive_to_end(&event_loop), b"");
        assert_eq!(reports.numbers(&event_loop, 1), [0, 1, 0]);
    }

    fn a_half_open_connection_is_ended_too(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let (reports, log) = (Reports::of(&server), Log::default());
        socket.set_half_open(true);
        log.follow(&socket);
        client.shut_down();
        until(&event_loop, || log.len() > 0);
        server.drain(LONG);
        assert_eq!(client.receive_to_end(&event_loop), b"");
        assert_eq!(reports.numbers(&event_loop, 1), [0, 1, 0]);
    }

    fn connections_of_others_go_on(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let other = TcpServer::new(&event_loop);
        other.listen(server.server_address(), 0).unwrap();
        let reports = Reports::of(&other);
        let out = TcpSocket::new(&event_loop);
        out.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        let brought = support::next(&event_loop, &server);
        until(&event_loop, || out.state().to_string() == "connected");
        other.drain(SHORT);
        assert_eq!(reports.numbers(&event_loop, 0), [0, 0, 0]);
        socket.write(b"alive");
        assert_eq!(client.receive(&event_loop, 5), b"alive");
        assert_eq!((out.end_reason(), brought.end_reason()), (None, None));
    }
}

/// 1. A request was received, and its slot has left it unread.
/// 2. The server drains: the connection waits for the request to be read.
/// 3. The program reads it, outside of `ready_read`, and has nothing to answer.
/// 4. Nothing is unread or unsent.
#[test]
fn reading_without_answering_ends_it_too() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server, socket, mut client) = world.pair();
        let reports = Reports::of(&server);
        client.send(&event_loop, b"question");
        until(&event_loop, || socket.bytes_available() == 8);
        server.drain(Duration::from_millis(500));
        settle(&event_loop);
        assert_eq!(socket.read_all(), b"question");
        assert_eq!(client.receive_to_end(&event_loop), b"");
        assert_eq!(reports.numbers(&event_loop, 1), [0, 1, 0]);
    }
}
