//! Slots of a server that listens through a SOCKS5 proxy may do with it what they like: drop it, close it, listen again, wait.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread;
use std::time::Duration;
use support::socks5::{OnBind, Proxy};
use support::socks5_script::{Script, Step};
use support::socks5_server::{behind, check_echo, client, clients, echo, listening, options};
use support::socks5_wire::reply;
use support::{LIMIT, Log, World, settle, until};
use vestibule::{EventLoop, IncomingConnection, ServerState, TcpServer, TcpSocket};

/// Each signal of a server may be the last, and nothing of the server stays.
#[test]
fn a_server_may_be_dropped_in_its_own_slots() {
    for last in ["new_connection", "accept_error", "listening_changed", "address_changed", "state_changed"] {
        let proxy = Proxy::new();
        proxy.on_bind(|_| OnBind::Elsewhere);
        let (event_loop, server) = behind(proxy.as_proxy());
        server.listen_with(options().proxy_binds(2).in_background(true)).unwrap();
        let held: Rc<RefCell<Option<TcpServer>>> = Rc::default();
        let keep = Rc::clone(&held);
        let end = move || {
            let server = keep.borrow_mut().take();
            drop(server);
        };
        match last {
            "new_connection" => drop(server.new_connection().connect(move |_| end())),
            "accept_error" => drop(server.accept_error().connect(move |_, _| end())),
            "listening_changed" => drop(server.listening_changed().connect(move |_, _| end())),
            "address_changed" => drop(server.address_changed().connect(move |_| end())),
            _ => drop(server.state_changed().connect(move |_, _| end())),
        }
        held.replace(Some(server));
        let mut client = None;
        if !last.ends_with("_changed") || last.starts_with("address") {
            until(&event_loop, || held.borrow().as_ref().unwrap().bound_addresses().len() == 2);
            match last {
                "accept_error" => proxy.close_idle(),
                _ => client = Some(World::Os.connect(held.borrow().as_ref().unwrap().server_port())),
            }
        }
        until(&event_loop, || held.borrow().is_none());
        drop(client);
        until(&event_loop, || proxy.standing() == 0);
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        assert_eq!((proxy.idle(), proxy.standing()), (0, 0), "{last}");
    }
}

/// The proxy says everything at once: both replies, and what the client sends.
///
/// 1. The first reply is read. In the slot of `listening_changed` the server closes, and listens through another proxy.
/// 2. The second reply lies there already, of a client of the first proxy.
#[test]
fn a_client_of_a_proxy_that_was_left_in_a_slot_does_not_come() {
    let address = |port| reply(0, ([192, 0, 2, 1], port).into());
    let talk = [&[5, 0][..], &address(1), &address(2), b"hello"].concat();
    let first = Script::new([vec![Step::Send(talk)]]);
    let second = Proxy::new();
    let (event_loop, server) = behind(first.as_proxy());
    let (other, is_first) = (second.as_proxy(), Cell::new(true));
    server.listening_changed().connect(move |server, outcome| {
        assert_eq!(outcome, Ok(()));
        if is_first.replace(false) {
            server.close();
            server.set_proxy(other.clone());
            server.listen_with(options().in_background(true)).unwrap();
            assert_eq!((server.state(), server.bound_addresses()), (ServerState::Starting, vec![]));
        }
    });
    server.listen_with(options().in_background(true)).unwrap();
    until(&event_loop, || server.is_listening() && second.idle() == 1);
    settle(&event_loop);
    assert_eq!((server.statistics().accepted, server.has_pending_connections()), (0, false));
    assert_eq!(server.statistics().errors.unknown, 0);
    echo(&server);
    check_echo(&event_loop, client(&event_loop, &server));
}

/// The port is refused at the second BIND, so that listening begins again and the address changes at the same time.
#[test]
fn a_server_that_a_slot_has_closed_tells_of_no_address() {
    let proxy = Proxy::new();
    proxy.on_bind(|port| if port == 0 { OnBind::Elsewhere } else { OnBind::Refuse(1) });
    let (event_loop, server) = listening(&proxy, 1);
    let log = Log::default();
    let words = log.clone();
    server.listening_changed().connect(move |server, _| {
        words.add("listens");
        server.close();
    });
    let words = log.clone();
    server.address_changed().connect(move |_| words.add("moved"));
    let _client = client(&event_loop, &server);
    until(&event_loop, || log.len() > 0);
    settle(&event_loop);
    assert_eq!((log.take(), server.state()), ("listens".into(), ServerState::Closed));
}

#[test]
fn a_wait_ends_when_a_slot_of_it_closes_the_server() {
    for last in ["accept_error", "listening_changed", "address_changed"] {
        let proxy = Proxy::new();
        proxy.on_bind(|port| if port == 0 { OnBind::Elsewhere } else { OnBind::Refuse(1) });
        let (_event_loop, server) = listening(&proxy, 1);
        match last {
            "accept_error" => drop(server.accept_error().connect(|server, _| server.close())),
            "listening_changed" => drop(server.listening_changed().connect(|server, _| server.close())),
            _ => drop(server.address_changed().connect(TcpServer::close)),
        }
        proxy.close_idle();
        let mut came = server.wait_for_new_connection(Some(LIMIT)).unwrap();
        assert!(!came, "{last}");
        assert_eq!((server.state(), server.bound_addresses()), (ServerState::Closed, vec![]), "{last}");
        came = server.wait_for_new_connection(Some(Duration::ZERO)).is_ok();
        assert!(!came, "it does not listen");
    }
}

#[test]
fn a_slot_may_wait_for_the_next_client() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 2);
    let depth = Rc::new(Cell::new(0));
    let deepest = Rc::clone(&depth);
    server.new_connection().connect(move |server| {
        deepest.set(deepest.get() + 1);
        if deepest.get() < 5 {
            while server.next_pending_connection().is_some() {}
            assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
        }
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..5).map(|_| std::net::TcpStream::connect(proxy.claim()).unwrap()).collect::<Vec<_>>()
        });
        until(&event_loop, || depth.get() == 5);
    });
    assert_eq!(server.statistics().accepted, 5);
}

/// What the hook has got, as it is when it comes from the system, becomes a socket of a loop: here, and on another thread.
#[test]
fn a_hook_may_make_sockets_of_any_loop() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 2);
    let (send, came) = std::sync::mpsc::channel::<IncomingConnection>();
    let here: Rc<RefCell<Vec<TcpSocket>>> = Rc::default();
    let (list, own) = (Rc::clone(&here), event_loop.clone());
    server.set_incoming_connection(move |_, connection| {
        if list.borrow().is_empty() {
            let socket = TcpSocket::from_incoming(&own, connection);
            socket.ready_read().connect(|socket| {
                socket.write(&socket.read_all());
            });
            list.borrow_mut().push(socket);
        } else {
            send.send(connection).unwrap();
        }
    });
    let (far, _) = clients(&server);
    thread::scope(|scope| {
        scope.spawn(move || {
            let connection = came.recv_timeout(LIMIT).unwrap();
            let (peer, local) = (connection.peer_addr(), connection.local_addr());
            let event_loop = EventLoop::new().unwrap();
            let socket = TcpSocket::from_incoming(&event_loop, connection);
            assert_eq!((socket.peer_addr(), socket.local_addr()), (Some(peer), local));
            socket.ready_read().connect(|socket| {
                socket.write(&socket.read_all());
            });
            until(&event_loop, || socket.state() == vestibule::SocketState::Unconnected);
        });
        for client in far {
            check_echo(&event_loop, client);
        }
    });
}
