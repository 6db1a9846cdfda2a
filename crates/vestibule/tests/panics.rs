//! Panics that nobody contains: they come out of the turn, and leave everything whole.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use support::{Client, LIMIT, Log, World, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{
    DrainReport, EventLoop, HostAddress, Limits, ServerState, SocketState, TcpServer, TcpSocket,
};

/// What blows once, and then does nothing.
#[derive(Clone, Default)]
struct Fuse(Rc<Cell<bool>>);

impl Fuse {
    fn lit() -> Self {
        Self(Rc::new(Cell::new(true)))
    }

    fn blow(&self) {
        assert!(!self.0.replace(false), "the fuse");
    }
}

/// Takes turns until a panic comes out; `in_run` says whether `run` takes them.
fn blown(event_loop: &EventLoop, in_run: bool) {
    let taking_turns =
        AssertUnwindSafe(|| if in_run { event_loop.run().unwrap() } else { until(event_loop, || false) });
    let payload = catch_unwind(taking_turns).unwrap_err();
    let text = payload.downcast_ref::<&str>().copied().unwrap_or("another panic");
    assert_eq!(text, "the fuse");
}

/// A new client is let in, served, and its end is told.
fn assert_serves(world: &World, event_loop: &EventLoop, server: &TcpServer) {
    settle(event_loop);
    while server.next_pending_connection().is_some() {}
    settle(event_loop);
    let mut client = world.connect(server.server_port());
    let socket = support::next(event_loop, server);
    client.send(event_loop, b"question");
    until(event_loop, || socket.bytes_available() == 8);
    socket.write(b"answer");
    assert_eq!(client.receive(event_loop, 6), b"answer");
    drop(client);
    until(event_loop, || socket.state() == SocketState::Unconnected);
    drop(socket);
    settle(event_loop);
    assert_eq!((server.statistics().open, server.statistics().pending), (0, 0));
    assert_eq!((event_loop.contained_panics(), server.statistics().panics), (0, 0));
}

/// How a slot of one of a socket's signals is connected, and what has the signal told.
type Case = (&'static str, fn(&TcpSocket, Fuse), fn(&TcpServer, &TcpSocket, &mut Client));

const CASES: [Case; 9] = [
    (
        "ready_read",
        |socket, fuse| {
            socket.ready_read().connect(move |_| fuse.blow());
        },
        |_, _, client| {
            assert_eq!(client.try_send(b"hello").unwrap(), 5);
        },
    ),
    (
        "bytes_written",
        |socket, fuse| {
            socket.bytes_written().connect(move |_, _| fuse.blow());
        },
        |_, socket, _| {
            socket.write(b"hello");
        },
    ),
    (
        "finished",
        |socket, fuse| {
            socket.read_channel_finished().connect(move |_| fuse.blow());
        },
        |_, _, client| {
            client.shut_down();
        },
    ),
    (
        "error",
        |socket, fuse| {
            socket.error_occurred().connect(move |_, _| fuse.blow());
        },
        |_, _, client| {
            client.shut_down();
        },
    ),
    (
        "state",
        |socket, fuse| {
            socket.state_changed().connect(move |_, _| fuse.blow());
        },
        |_, _, client| {
            client.shut_down();
        },
    ),
    (
        "disconnected",
        |socket, fuse| {
            socket.disconnected().connect(move |_| fuse.blow());
        },
        |_, _, client| {
            client.shut_down();
        },
    ),
    (
        "draining",
        |socket, fuse| {
            socket.draining().connect(move |_| fuse.blow());
        },
        |server, _, _| {
            server.drain(Duration::from_millis(20));
        },
    ),
    (
        "disconnected when idle",
        |socket, fuse| {
            socket.disconnected().connect(move |_| fuse.blow());
        },
        |server, _, _| {
            server.drain(LIMIT);
        },
    ),
    (
        "disconnected when cut",
        |socket, fuse| {
            socket.draining().connect(|_| {});
            socket.disconnected().connect(move |_| fuse.blow());
        },
        |server, _, _| {
            server.drain(Duration::from_millis(20));
        },
    ),
];

on_both! {
    fn a_panic_in_any_slot_of_a_socket_comes_out_and_everything_goes_on(world: &World) {
        for (name, connect, cause) in CASES {
            for in_run in [false, true] {
                let (event_loop, server, mut pairs) = world.pairs(2);
                let (bystander, mut far) = pairs.remove(1);
                bystander.draining().connect(TcpSocket::disconnect_from_host);
                let (socket, mut client) = pairs.remove(0);
                let log = Log::default();
                log.follow(&socket);
                connect(&socket, Fuse::lit());
                cause(&server, &socket, &mut client);
                blown(&event_loop, in_run);
                if name.starts_with('d') && server.state() != ServerState::Listening {
                    until(&event_loop, || server.state() == ServerState::Closed);
                    server.listen(HostAddress::LOCALHOST, 0).unwrap();
                    assert_eq!(far.receive_to_end(&event_loop), b"");
                } else {
                    bystander.write(b"alive");
                    assert_eq!(far.receive(&event_loop, 5), b"alive", "{name}");
                }
                drop((client, far, bystander));
                until(&event_loop, || socket.state() == SocketState::Unconnected);
                settle(&event_loop);
                let told = log.take();
                let gone = told.matches("gone").count();
                assert!(gone == 1 && told.ends_with("gone"), "{name}: {told}");
                drop(socket);
                settle(&event_loop);
                assert_serves(world, &event_loop, &server);
            }
        }
    }

    fn a_panic_in_a_slot_of_connecting_comes_out_and_the_rest_is_told(world: &World) {
        for signal in ["host_found", "connected", "state_changed"] {
            let (event_loop, server, socket, log) = world.outgoing();
            let (fuse, turns) = (Fuse::lit(), Fuse::default());
            match signal {
                "host_found" => { socket.host_found().connect(move |_| fuse.blow()); },
                "connected" => { socket.connected().connect(move |_| fuse.blow()); },
                _ => { socket.state_changed().connect(move |_, _| fuse.blow()); },
            }
            let connecting = AssertUnwindSafe(|| {
                socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
                until(&event_loop, || turns.0.get());
            });
            assert!(catch_unwind(connecting).is_err(), "{signal}");
            until(&event_loop, || socket.state() == SocketState::Connected);
            settle(&event_loop);
            assert!(log.take().ends_with("stands"), "{signal}");
            socket.disconnect_from_host();
            settle(&event_loop);
            assert_serves(world, &event_loop, &server);
        }
    }

    fn a_panic_in_a_slot_of_a_server_comes_out_and_it_goes_on(world: &World) {
        for signal in ["pending", "new", "refused", "state", "hook", "request"] {
            for in_run in [false, true] {
                let (event_loop, server) = world.server();
                let fuse = Fuse::lit();
                match signal {
                    "pending" => { server.pending_connection_available().connect(move |_| fuse.blow()); },
                    "new" => { server.new_connection().connect(move |_| fuse.blow()); },
                    "refused" => {
                        server.refused().connect(move |_, _| fuse.blow());
                        server.set_limits(Limits::new().max_connections_per_source(0));
                    }
                    "state" => { server.state_changed().connect(move |_, _| fuse.blow()); },
                    "hook" => server.set_incoming_connection(move |_, _| fuse.blow()),
                    _ => drop(server.handle().call(|_| panic!("the fuse"))),
                }
                let mut client = world.connect(server.server_port());
                blown(&event_loop, in_run);
                if signal == "hook" {
                    assert_eq!(client.receive_to_end(&event_loop), b"", "the connection is given back");
                    server.reset_incoming_connection();
                }
                server.set_limits(Limits::new().max_connections(1));
                assert_serves(world, &event_loop, &server);
            }
        }
    }

    fn a_panic_in_drained_comes_out_and_it_may_listen_again(world: &World) {
        let (event_loop, server) = world.server();
        let (fuse, reports) = (Fuse::lit(), Rc::<RefCell<Vec<DrainReport>>>::default());
        let list = Rc::clone(&reports);
        server.drained().connect(move |_, report| {
            list.borrow_mut().push(report);
            fuse.blow();
        });
        let answer = server.handle().drain(LIMIT);
        blown(&event_loop, false);
        assert_eq!(answer.wait(None).unwrap(), reports.borrow()[0]);
        assert_eq!(server.state(), ServerState::Closed);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        assert_serves(world, &event_loop, &server);
        assert_eq!(reports.borrow().len(), 1);
    }

    fn a_panic_in_timers_posted_calls_and_channels_comes_out_and_the_others_run(world: &World) {
        for kind in ["once", "again", "posted", "channel"] {
            let (event_loop, server) = world.server();
            let (fuse, after) = (Fuse::lit(), Log::default());
            let words = after.clone();
            match kind {
                "once" => {
                    event_loop.single_shot(Duration::ZERO, move |_| fuse.blow());
                    event_loop.single_shot(Duration::ZERO, move |_| words.add("after"));
                }
                "again" => {
                    event_loop.start_timer(Duration::ZERO, move |_| {
                        fuse.blow();
                        words.add("after");
                    });
                }
                "posted" => {
                    let sender = event_loop.channel(move |()| words.add("after"));
                    event_loop.handle().post(|_| panic!("the fuse")).unwrap();
                    event_loop.handle().post(move |_| sender.send(()).unwrap()).unwrap();
                }
                _ => {
                    let sender = event_loop.channel(move |number: u32| {
                        if number == 1 { fuse.blow() } else { words.add("after") }
                    });
                    (1..=3).for_each(|number| sender.send(number).unwrap());
                }
            }
            blown(&event_loop, kind == "posted");
            assert_eq!(after.take(), "", "{kind}");
            until(&event_loop, || after.len() > 0);
            assert_serves(world, &event_loop, &server);
        }
    }

    fn a_panic_comes_out_of_a_wait_and_both_go_on(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let fuse = Fuse::lit();
        socket.ready_read().connect(move |_| fuse.blow());
        client.send(&event_loop, b"hello");
        let wait = AssertUnwindSafe(|| socket.wait_for_ready_read(Some(LIMIT)));
        assert!(catch_unwind(wait).is_err());
        until(&event_loop, || socket.bytes_available() == 5);
        assert_eq!(socket.read_all(), b"hello");
        client.send(&event_loop, b"again");
        until(&event_loop, || socket.bytes_available() == 5);
        assert_eq!(socket.read_all(), b"again");
        drop((socket, client));
        settle(&event_loop);
        assert_serves(world, &event_loop, &server);
    }
}

#[test]
fn a_panic_in_accept_error_comes_out_and_accepting_goes_on() {
    let network = SimulatedNetwork::new(1).unwrap();
    network.fail_accept(1, 24); // EMFILE
    let world = World::Simulation(network);
    let (event_loop, server) = world.server();
    let fuse = Fuse::lit();
    server.accept_error().connect(move |_, _| fuse.blow());
    let _client = world.connect(server.server_port());
    blown(&event_loop, false);
    until(&event_loop, || server.has_pending_connections());
    assert_serves(&world, &event_loop, &server);
}

/// 1. Two servers of a loop drain, without connections.
/// 2. A slot of the first one's `drained` panics, which comes out of the turn.
/// 3. The second one's drain goes on in the next turn.
#[test]
fn a_panic_in_drained_leaves_the_drains_of_other_servers() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, first) = world.server();
        let second = TcpServer::new(&event_loop);
        second.listen(HostAddress::LOCALHOST, 0).unwrap();
        let fuse = Fuse::lit();
        first.drained().connect(move |_, _| fuse.blow());
        first.drain(Duration::from_millis(20));
        second.drain(Duration::from_millis(20));
        blown(&event_loop, false);
        event_loop.process_events(Some(Duration::from_secs(1))).unwrap();
        settle(&event_loop);
        assert_eq!((first.state(), second.state()), (ServerState::Closed, ServerState::Closed));
    }
}
