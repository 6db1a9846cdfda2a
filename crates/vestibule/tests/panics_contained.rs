//! `EventLoop::contain_panics`: the loop goes on, and a panic costs what it must and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::Cell;
use std::panic::panic_any;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use support::{Arrived, Client, LIMIT, Log, World, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{EndReason, EventLoop, HostAddress, Limits, ServerState, SocketState, TcpServer, TcpSocket};

/// A loop that contains panics and writes their messages down.
fn contained(event_loop: &EventLoop) -> Log {
    let log = Log::default();
    let words = log.clone();
    event_loop.contain_panics(true);
    event_loop.set_panic_slot(move |_, message| words.add(message));
    log
}

fn assert_serves(world: &World, event_loop: &EventLoop, server: &TcpServer) {
    settle(event_loop);
    while server.next_pending_connection().is_some() {}
    settle(event_loop);
    let mut client = world.connect(server.server_port());
    let socket = support::next(event_loop, server);
    socket.write(b"welcome");
    assert_eq!(client.receive(event_loop, 7), b"welcome");
    drop((socket, client));
    until(event_loop, || server.statistics().open == 0);
}

type Connect = fn(&TcpSocket);
type Cause = fn(&TcpServer, &TcpSocket, &mut Client);

/// Signals of a socket that is not over yet when they are told, and what has them told.
const CASES: [(&str, Connect, Cause); 4] = [
    (
        "ready_read",
        |socket| {
            socket.ready_read().connect(|_| panic!("oh"));
        },
        |_, _, client| {
            assert_eq!(client.try_send(b"hello").unwrap(), 5);
        },
    ),
    (
        "bytes_written",
        |socket| {
            socket.bytes_written().connect(|_, _| panic!("oh"));
        },
        |_, socket, _| {
            socket.write(b"hello");
        },
    ),
    (
        "finished",
        |socket| {
            socket.set_half_open(true);
            socket.read_channel_finished().connect(|_| panic!("oh"));
        },
        |_, _, client| client.shut_down(),
    ),
    (
        "draining",
        |socket| {
            socket.draining().connect(|_| panic!("oh"));
        },
        |server, _, _| server.drain(LIMIT),
    ),
];

on_both! {
    fn a_panic_in_a_slot_of_a_socket_costs_that_socket_alone(world: &World) {
        for (name, connect, cause) in CASES {
            let (event_loop, server, mut pairs) = world.pairs(2);
            let messages = contained(&event_loop);
            let (bystander, mut far) = pairs.remove(1);
            let (socket, mut client) = pairs.remove(0);
            connect(&socket);
            let log = Log::default();
            let words = log.clone();
            socket.disconnected().connect(move |socket| words.add(socket.end_reason().unwrap().to_string()));
            cause(&server, &socket, &mut client);
            until(&event_loop, || log.len() == 1);
            assert_eq!(log.take(), EndReason::Panicked.to_string(), "{name}");
            assert_eq!(socket.state(), SocketState::Unconnected);
            let end = client.receive_all(&event_loop).1;
            assert!(matches!(end, Arrived::Reset | Arrived::End), "{name}");
            assert_eq!((event_loop.contained_panics(), messages.take().as_str()), (1, "oh"), "{name}");
            assert_eq!(server.statistics().panics, 1, "{name}");
            drop(socket);
            if name == "draining" {
                assert_eq!(far.receive_to_end(&event_loop), b"");
                until(&event_loop, || server.state() == ServerState::Closed);
                server.listen(HostAddress::LOCALHOST, 0).unwrap();
            } else {
                bystander.write(b"alive");
                assert_eq!(far.receive(&event_loop, 5), b"alive", "{name}");
            }
            drop((bystander, far));
            assert_serves(world, &event_loop, &server);
        }
    }

    fn a_panic_in_the_last_signals_of_a_socket_changes_nothing_but_is_counted_by_the_loop(world: &World) {
        for signal in ["error", "disconnected", "unconnected"] {
            let (event_loop, server, socket, mut client) = world.pair();
            let messages = contained(&event_loop);
            match signal {
                "error" => {
                    let fuse = Cell::new(true);
                    socket.error_occurred().connect(move |_, _| assert!(!fuse.replace(false), "oh"));
                },
                "disconnected" => { socket.disconnected().connect(|_| panic!("oh")); },
                _ => { socket.state_changed().connect(|socket, _| {
                    assert_ne!(socket.state(), SocketState::Unconnected, "oh");
                }); },
            }
            client.shut_down();
            until(&event_loop, || socket.state() == SocketState::Unconnected);
            settle(&event_loop);
            assert_eq!((event_loop.contained_panics(), messages.len()), (1, 1), "{signal}");
            assert!(socket.end_reason().is_some());
            assert_ne!(client.receive_all(&event_loop).1, Arrived::Nothing);
            drop(socket);
            assert_serves(world, &event_loop, &server);
        }
    }

    fn a_panic_in_a_slot_of_a_server_costs_the_call_alone(world: &World) {
        for signal in ["pending", "new", "refused", "state", "drained", "request"] {
            let (event_loop, server) = world.server();
            let messages = contained(&event_loop);
            let fuse = Rc::new(Cell::new(true));
            let lit = Rc::clone(&fuse);
            let blow = move || assert!(!lit.replace(false), "oh");
            match signal {
                "pending" => { server.pending_connection_available().connect(move |_| blow()); },
                "new" => { server.new_connection().connect(move |_| blow()); },
                "refused" => {
                    server.refused().connect(move |_, _| blow());
                    server.set_limits(Limits::new().max_connections_per_source(0));
                }
                "state" => { server.state_changed().connect(move |_, _| blow()); },
                "drained" => {
                    server.drained().connect(move |_, _| blow());
                    server.drain(Duration::ZERO);
                    until(&event_loop, || server.state() == ServerState::Closed);
                    server.listen(HostAddress::LOCALHOST, 0).unwrap();
                }
                _ => drop(server.handle().call(|_| panic!("oh"))),
            }
            let client = world.connect(server.server_port());
            until(&event_loop, || messages.len() == 1);
            drop(client);
            assert_eq!(messages.take(), "oh", "{signal}");
            assert_eq!((event_loop.contained_panics(), server.statistics().panics), (1, 1), "{signal}");
            server.set_limits(Limits::new().max_connections(1));
            assert_serves(world, &event_loop, &server);
        }
    }

    fn a_panic_in_the_hook_closes_the_connection_and_gives_its_place_back(world: &World) {
        let (event_loop, server) = world.server();
        let messages = contained(&event_loop);
        server.set_limits(Limits::new().max_connections(1).max_connections_per_source(1));
        server.set_incoming_connection(|_, _| panic!("oh"));
        for number in 1..=3 {
            let mut client = world.connect(server.server_port());
            assert_eq!(client.receive_to_end(&event_loop), b"");
            until(&event_loop, || messages.len() == number);
            assert_eq!((server.statistics().open, server.statistics().panics), (0, number as u64));
        }
        server.reset_incoming_connection();
        assert_serves(world, &event_loop, &server);
    }

    fn a_panic_in_a_timer_a_posted_call_or_a_channel_costs_the_call_alone(world: &World) {
        let (event_loop, server) = world.server();
        let messages = contained(&event_loop);
        let (log, ticks) = (Log::default(), Rc::new(Cell::new(0)));
        event_loop.single_shot(Duration::ZERO, |_| panic!("once"));
        let tick = Rc::clone(&ticks);
        let timer = event_loop.start_timer(Duration::ZERO, move |_| {
            tick.set(tick.get() + 1);
            assert!(tick.get() > 2, "again");
        });
        event_loop.handle().post(|_| panic!("posted")).unwrap();
        let words = log.clone();
        let sender = event_loop.channel(move |number: u32| {
            assert_ne!(number, 1, "channel");
            words.add(number.to_string());
        });
        (0..3).for_each(|number| sender.send(number).unwrap());
        until(&event_loop, || ticks.get() >= 4 && log.len() == 2);
        assert!(event_loop.kill_timer(timer));
        assert_eq!(log.take(), "0 2");
        let told = messages.take();
        for word in ["once", "posted", "again", "channel"] {
            assert!(told.contains(word), "{told}");
        }
        assert_eq!((event_loop.contained_panics(), server.statistics().panics), (5, 0), "{told}");
        assert_serves(world, &event_loop, &server);
    }

    fn a_panic_about_a_panic_is_counted_by_nobody(world: &World) {
        let (event_loop, server) = world.server();
        let told = Rc::new(Cell::new(0));
        let number = Rc::clone(&told);
        event_loop.contain_panics(true);
        event_loop.set_panic_slot(move |_, _| {
            number.set(number.get() + 1);
            panic!("again");
        });
        for _ in 0..3 {
            event_loop.single_shot(Duration::ZERO, |_| panic!("oh"));
        }
        until(&event_loop, || told.get() == 3);
        settle(&event_loop);
        assert_eq!((told.get(), event_loop.contained_panics()), (3, 3));
        assert_serves(world, &event_loop, &server);
    }

    fn whatever_a_panic_carries_is_contained(world: &World) {
        static DROPS: AtomicU32 = AtomicU32::new(0);
        struct Bomb(u32);
        impl Drop for Bomb {
            fn drop(&mut self) {
                DROPS.fetch_add(1, Ordering::SeqCst);
                if self.0 > 0 {
                    panic_any(Bomb(self.0 - 1));
                }
            }
        }
        let (event_loop, server) = world.server();
        let messages = contained(&event_loop);
        let before = DROPS.load(Ordering::SeqCst);
        event_loop.single_shot(Duration::ZERO, |_| panic_any(Bomb(2)));
        event_loop.single_shot(Duration::ZERO, |_| panic_any(String::from("text")));
        event_loop.single_shot(Duration::ZERO, |_| panic_any(7_u32));
        until(&event_loop, || messages.len() == 3);
        assert!(messages.take().contains("text") && DROPS.load(Ordering::SeqCst) > before);
        assert_eq!(event_loop.contained_panics(), 3);
        assert_serves(world, &event_loop, &server);
    }

    fn a_wait_contains_them_too(world: &World) {
        let (event_loop, server) = world.server();
        let _messages = contained(&event_loop);
        server.new_connection().connect(|_| panic!("oh"));
        let _client = world.connect(server.server_port());
        assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
        assert_eq!((event_loop.contained_panics(), server.statistics().panics), (1, 1));
    }
}

#[test]
fn a_panic_in_accept_error_costs_the_call_alone() {
    let network = SimulatedNetwork::new(1).unwrap();
    network.fail_accept(1, 24); // EMFILE
    let world = World::Simulation(network);
    let (event_loop, server) = world.server();
    let messages = contained(&event_loop);
    server.accept_error().connect(|_, _| panic!("oh"));
    let _client = world.connect(server.server_port());
    until(&event_loop, || server.has_pending_connections());
    assert_eq!((messages.take().as_str(), server.statistics().panics), ("oh", 1));
    assert_serves(&world, &event_loop, &server);
}

#[test]
fn a_panic_in_disconnected_is_counted_in_the_statistics_of_the_server() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server, socket, client) = world.pair();
        let messages = contained(&event_loop);
        socket.disconnected().connect(|_| panic!("oh"));
        drop(client);
        until(&event_loop, || messages.len() == 1);
        assert_eq!((event_loop.contained_panics(), server.statistics().panics), (1, 1));
    }
}

#[test]
fn a_panic_in_a_slot_of_connecting_costs_that_socket() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server, socket, _log) = world.outgoing();
        let _messages = contained(&event_loop);
        socket.host_found().connect(|_| panic!("oh"));
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        until(&event_loop, || event_loop.contained_panics() == 1);
        settle(&event_loop);
        assert_eq!(
            (socket.state(), socket.end_reason()),
            (SocketState::Unconnected, Some(EndReason::Panicked))
        );
    }
}

#[test]
fn a_panic_in_one_slot_costs_none_of_the_others() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server, socket, client) = world.pair();
        let (_messages, log) = (contained(&event_loop), Log::default());
        server.new_connection().connect(|_| panic!("oh"));
        server.new_connection().connect({
            let words = log.clone();
            move |_| words.add("new")
        });
        let _other = world.connect(server.server_port());
        until(&event_loop, || event_loop.contained_panics() == 1);
        socket.disconnected().connect(|_| panic!("oh"));
        socket.disconnected().connect({
            let words = log.clone();
            move |_| words.add("gone")
        });
        drop(client);
        until(&event_loop, || event_loop.contained_panics() == 2);
        settle(&event_loop);
        assert_eq!(log.take(), "new gone");
    }
}
