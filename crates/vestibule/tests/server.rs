//! Servers as `semantics.md` describes them, on the system and on the simulation.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use support::{Arrived, Client, Log, World, settle, turns_until_answered, until};
use vestibule::{HostAddress, IncomingConnection, SocketError, TcpServer, TcpSocket};

fn log_signals(server: &TcpServer) -> Log {
    let log = Log::default();
    let words = log.clone();
    server.pending_connection_available().connect(move |_| words.add("pending"));
    let words = log.clone();
    server.new_connection().connect(move |_| words.add("new"));
    let words = log.clone();
    server.accept_error().connect(move |_, error| words.add(format!("{error:?}")));
    log
}

fn clients(world: &World, server: &TcpServer, number: usize) -> Vec<Client> {
    (0..number).map(|_| world.connect(server.server_port())).collect()
}

on_both! {
    fn a_fresh_server_is_as_documented(world: &World) {
        let server = TcpServer::new(&world.event_loop());
        assert!(!server.is_listening() && !server.is_accepting() && !server.has_pending_connections());
        assert_eq!((server.server_port(), server.server_address()), (0, HostAddress::NULL));
        assert_eq!((server.server_error(), server.error_string()), (SocketError::Unknown, ""));
        assert_eq!(server.max_pending_connections(), 30);
        assert!(server.socket_descriptor().is_none() && server.local_addr().is_none());
        assert!(server.next_pending_connection().is_none());
        assert!(server.wait_for_new_connection(None).is_err());
        assert_eq!(server.server_error(), SocketError::Unknown);
        server.close();
    }

    fn each_connection_is_told_once_and_taken_in_order(world: &World) {
        let (event_loop, server) = world.server();
        let log = log_signals(&server);
        let clients = clients(world, &server, 3);
        until(&event_loop, || log.len() >= 6);
        settle(&event_loop);
        assert_eq!(log.take(), "pending new pending new pending new");
        for client in &clients {
            let socket = server.next_pending_connection().unwrap();
            assert_eq!(socket.peer_addr(), Some(client.local_addr()));
            assert_eq!(socket.local_port(), server.server_port());
        }
        assert!(server.next_pending_connection().is_none());
    }

    fn the_limit_is_exact_and_accepting_goes_on_in_the_turn_after_a_take(world: &World) {
        let (event_loop, server) = world.server();
        let log = log_signals(&server);
        server.set_max_pending_connections(2);
        let _clients = clients(world, &server, 5);
        settle(&event_loop);
        assert_eq!(log.take(), "pending new pending new");
        let _first = server.next_pending_connection().unwrap();
        assert_eq!(log.take(), "", "nothing is accepted while taking");
        settle(&event_loop);
        assert_eq!(log.take(), "pending new");
        server.set_max_pending_connections(3);
        settle(&event_loop);
        assert_eq!(log.take(), "pending new", "raising the limit resumes");
        server.set_max_pending_connections(0);
        while server.next_pending_connection().is_some() {}
        settle(&event_loop);
        assert_eq!(log.take(), "", "a limit of 0 accepts none");
        server.set_max_pending_connections(1);
        until(&event_loop, || log.len() == 2);
    }

    fn more_than_a_batch_is_accepted_over_several_turns(world: &World) {
        let (event_loop, server) = world.server();
        server.set_max_pending_connections(100);
        let log = log_signals(&server);
        let _clients = clients(world, &server, 50);
        event_loop.process_events(Some(Duration::from_secs(5))).unwrap();
        let first = log.len() / 2;
        assert!((8..50).contains(&first), "{first} in the first turn");
        until(&event_loop, || log.len() == 100);
    }

    fn a_pause_is_a_state(world: &World) {
        let event_loop = world.event_loop();
        let server = TcpServer::new(&event_loop);
        let log = log_signals(&server);
        server.pause_accepting();
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        assert!(server.is_listening() && !server.is_accepting());
        let _clients = clients(world, &server, 2);
        settle(&event_loop);
        assert!(!server.wait_for_new_connection(Some(Duration::from_millis(5))).unwrap());
        assert_eq!((log.take().as_str(), server.server_error()), ("", SocketError::SocketTimeout));
        server.resume_accepting();
        until(&event_loop, || log.len() == 4);
        server.pause_accepting();
        server.close();
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        assert!(!server.is_accepting(), "kept across close and listen");
    }

    fn pausing_in_a_slot_ends_the_batch(world: &World) {
        let (event_loop, server) = world.server();
        let log = log_signals(&server);
        server.new_connection().connect(TcpServer::pause_accepting);
        let _clients = clients(world, &server, 3);
        settle(&event_loop);
        assert_eq!(log.take(), "pending new");
        server.resume_accepting();
        settle(&event_loop);
        assert_eq!(log.take(), "pending new");
    }

    fn pending_connections_end_cleanly_with_the_server(world: &World) {
        let (event_loop, server) = world.server();
        let mut clients = clients(world, &server, 2);
        clients[0].send(&event_loop, b"nobody reads this");
        until(&event_loop, || server.has_pending_connections());
        settle(&event_loop);
        drop(server);
        for client in &mut clients {
            assert_eq!(client.receive_to_end(&event_loop), b"");
        }
    }

    fn taken_sockets_outlive_the_server_and_children_end_with_it(world: &World) {
        let (event_loop, server, mut pairs) = world.pairs(2);
        let (taken, mut far) = pairs.remove(0);
        let (child, mut far_of_child) = pairs.remove(0);
        child.write(b"last words");
        child.set_parent(&server);
        let visited = Cell::new(0);
        server.for_each_child(|socket| visited.set(visited.get() + socket.bytes_to_write()));
        assert_eq!(visited.get(), 10);
        drop(server);
        assert_eq!(far_of_child.receive_to_end(&event_loop), b"last words");
        taken.write(b"alive");
        assert_eq!(far.receive(&event_loop, 5), b"alive");
    }

    fn a_child_is_let_go_when_it_is_disconnected(world: &World) {
        let (event_loop, server, pairs) = world.pairs(3);
        let mut far = Vec::new();
        for (socket, client) in pairs {
            socket.set_parent(&server);
            far.push(client);
        }
        far.remove(1);
        let children = || {
            let number = Cell::new(0);
            server.for_each_child(|_| number.set(number.get() + 1));
            number.get()
        };
        until(&event_loop, || children() == 2);
        far.clear();
        until(&event_loop, || children() == 0);
    }

    fn the_hook_decides(world: &World) {
        let (event_loop, server) = world.server();
        let log = log_signals(&server);
        let kept: Rc<RefCell<Vec<IncomingConnection>>> = Rc::default();
        let keep = Rc::clone(&kept);
        server.set_max_pending_connections(1);
        server.set_incoming_connection(move |_, connection| keep.borrow_mut().push(connection));
        let mut far = clients(world, &server, 3);
        until(&event_loop, || kept.borrow().len() == 3);
        assert_eq!(log.take(), "new new new", "the limit is not for what is not appended");
        for (connection, client) in kept.borrow().iter().zip(&far) {
            assert_eq!(connection.peer_addr(), client.local_addr());
        }
        let connections = kept.take();
        for connection in connections {
            let socket = TcpSocket::from_incoming(&event_loop, connection);
            server.add_pending_connection(socket).unwrap();
        }
        assert_eq!(log.take(), "pending pending pending");
        for client in &mut far {
            let socket = server.next_pending_connection().unwrap();
            client.send(&event_loop, b"question");
            until(&event_loop, || socket.bytes_available() == 8);
            socket.write(b"answer");
            assert_eq!(client.receive(&event_loop, 6), b"answer");
        }
        server.reset_incoming_connection();
        let _one = world.connect(server.server_port());
        until(&event_loop, || server.has_pending_connections());
    }

    fn an_added_socket_is_not_read_before_it_is_taken(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        server.add_pending_connection(socket).unwrap();
        client.send(&event_loop, b"early");
        client.reset();
        settle(&event_loop);
        assert_eq!(log.take(), "");
        let socket = server.next_pending_connection().unwrap();
        assert_eq!(socket.state().to_string(), "connected");
        until(&event_loop, || log.len() > 0 && socket.state().to_string() == "unconnected");
    }

    fn adding_a_socket_that_is_over_gives_it_back(world: &World) {
        let (_event_loop, server, socket, _client) = world.pair();
        socket.abort();
        let rejected = server.add_pending_connection(socket).unwrap_err();
        assert_eq!(rejected.to_string(), "cannot add a pending connection: the socket is not connected");
        assert_eq!(rejected.value.state().to_string(), "unconnected");
    }

    fn closing_in_a_slot_ends_the_batch(world: &World) {
        let (event_loop, server) = world.server();
        let log = log_signals(&server);
        server.new_connection().connect(TcpServer::close);
        let mut far = clients(world, &server, 3);
        settle(&event_loop);
        assert_eq!(log.take(), "pending new");
        assert!(!server.is_listening());
        assert_eq!(far[0].receive_to_end(&event_loop), b"");
        assert_eq!(far[1].receive_all(&event_loop).1, Arrived::Reset);
    }

    fn the_owner_may_be_dropped_in_a_slot(world: &World) {
        let (event_loop, server) = world.server();
        let far = clients(world, &server, 2);
        let home = Rc::new(RefCell::new(None));
        let (owner, log) = (Rc::clone(&home), Log::default());
        let words = log.clone();
        server.new_connection().connect(move |server| {
            drop(owner.take());
            assert!(server.next_pending_connection().is_none() && !server.is_listening());
            let error = server.listen(HostAddress::LOCALHOST, 0).unwrap_err();
            assert!(error.to_string().ends_with("the server was dropped"), "{error}");
            words.add("first");
        });
        let words = log.clone();
        server.new_connection().connect(move |_| words.add("second"));
        let weak = server.downgrade();
        home.replace(Some(server));
        settle(&event_loop);
        assert_eq!(log.take(), "first");
        assert!(weak.with(|_| ()).is_none());
        drop(far);
    }

    fn a_panic_in_any_slot_leaves_the_server_usable(world: &World) {
        let (event_loop, server) = world.server();
        let fuse = Rc::new(Cell::new(""));
        let blow = |name: &'static str| {
            let fuse = Rc::clone(&fuse);
            move || {
                if fuse.get() == name {
                    fuse.set("");
                    panic!("{name}");
                }
            }
        };
        let (pending, new) = (blow("pending"), blow("new"));
        server.pending_connection_available().connect(move |_| pending());
        server.new_connection().connect(move |_| new());
        for name in ["pending", "new", "pending", "new"] {
            fuse.set(name);
            let mut client = world.connect(server.server_port());
            let run = AssertUnwindSafe(|| until(&event_loop, || false));
            assert!(catch_unwind(run).is_err());
            assert_eq!(fuse.get(), "", "it was this panic");
            let socket = server.next_pending_connection().unwrap();
            socket.write(b"hi");
            assert_eq!(client.receive(&event_loop, 2), b"hi");
        }
    }

    fn a_panic_comes_out_of_a_wait_and_out_of_run_and_leaves_both_usable(world: &World) {
        let (event_loop, server) = world.server();
        let fuse = Rc::new(Cell::new(false));
        let lit = Rc::clone(&fuse);
        server.new_connection().connect(move |_| assert!(!lit.replace(false), "the fuse"));
        let patience = Some(Duration::from_secs(5));
        for in_wait in [true, false, true] {
            fuse.set(true);
            let mut client = world.connect(server.server_port());
            let blown = catch_unwind(AssertUnwindSafe(|| {
                if in_wait { server.wait_for_new_connection(patience).map(drop) } else { event_loop.run() }
            }));
            assert!(blown.is_err() && !fuse.get());
            assert!(server.wait_for_new_connection(patience).unwrap(), "it is pending");
            let socket = server.next_pending_connection().unwrap();
            client.send(&event_loop, b"ping");
            until(&event_loop, || socket.bytes_available() == 4);
            drop(socket);
            assert_eq!(client.receive_to_end(&event_loop), b"");
        }
    }

    fn a_queue_of_clients_does_not_starve_a_socket(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        server.set_max_pending_connections(1000);
        socket.ready_read().connect(|socket| { socket.read_with(|bytes| socket.write(bytes)); });
        let _queue = clients(world, &server, 200);
        client.send(&event_loop, b"x");
        let turns = turns_until_answered(&event_loop, &mut client);
        assert!(turns <= 2, "{turns} turns, while 200 clients were let in");
    }

    fn a_panic_in_the_hook_gives_the_connection_back(world: &World) {
        let (event_loop, server) = world.server();
        server.set_incoming_connection(|_, _| panic!("hook"));
        let mut client = world.connect(server.server_port());
        assert!(catch_unwind(AssertUnwindSafe(|| until(&event_loop, || false))).is_err());
        assert_eq!(client.receive_to_end(&event_loop), b"");
        server.reset_incoming_connection();
        let _client = world.connect(server.server_port());
        until(&event_loop, || server.has_pending_connections());
    }

    fn a_wait_answers_for_what_is_pending_or_was_accepted(world: &World) {
        let (event_loop, server) = world.server();
        let log = log_signals(&server);
        assert!(!server.wait_for_new_connection(Some(Duration::ZERO)).unwrap());
        assert_eq!(server.server_error(), SocketError::SocketTimeout);
        let _clients = clients(world, &server, 2);
        assert!(server.wait_for_new_connection(None).unwrap());
        assert_eq!(log.take(), "pending new pending new", "a batch");
        let _third = world.connect(server.server_port());
        assert!(server.wait_for_new_connection(Some(Duration::from_secs(5))).unwrap());
        assert_eq!(log.take(), "", "one is pending: nothing more is accepted");
        server.pause_accepting();
        while server.next_pending_connection().is_some() {}
        assert!(!server.wait_for_new_connection(Some(Duration::from_millis(1))).unwrap());
        drop(event_loop);
    }

    fn a_wait_in_a_slot_may_nest(world: &World) {
        let (event_loop, server) = world.server();
        let log = Log::default();
        let words = log.clone();
        server.new_connection().connect(move |server| {
            words.add("new");
            let socket = server.next_pending_connection();
            let more = server.wait_for_new_connection(Some(Duration::ZERO)).unwrap();
            words.add(if more { "true" } else { "timedout" });
            drop(socket);
        });
        let _clients = clients(world, &server, 3);
        until(&event_loop, || log.len() == 6);
        assert_eq!(log.take(), "new new new timedout true true");
    }

    fn a_wait_runs_no_slot_of_other_objects_but_their_bytes_leave(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        event_loop.single_shot(Duration::ZERO, { let log = log.clone(); move |_| log.add("timer") });
        socket.write(b"leaves");
        client.send(&event_loop, b"not told yet");
        assert!(!server.wait_for_new_connection(Some(Duration::from_millis(5))).unwrap());
        assert_eq!(log.take(), "");
        let arrived = client.look();
        assert!(matches!(arrived, Arrived::Bytes(_)), "{arrived:?}");
        until(&event_loop, || log.len() >= 3);
        let told = log.take();
        assert!(told.contains("bytes") && told.contains("ready") && told.contains("timer"), "{told}");
    }
}
