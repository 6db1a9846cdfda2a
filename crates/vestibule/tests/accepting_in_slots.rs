//! What slots do while a batch is being accepted holds for the very next client of it; and requests that come from the loop's own
//! thread are done.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;
use support::until;
use vestibule::{EventLoop, HostAddress, Limits, OverLimit, Refusal, ServerState, TcpServer, TcpSocket};

fn listening() -> (EventLoop, TcpServer) {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    (event_loop, server)
}

fn connect(server: &TcpServer) -> TcpStream {
    TcpStream::connect(("127.0.0.1", server.server_port())).unwrap()
}

/// The slot of `refused` makes room: the next client of the batch is let in.
#[test]
fn a_place_that_comes_free_within_a_batch_is_the_next_clients() {
    let (event_loop, server) = listening();
    server.set_limits(Limits::new().max_connections(1).over_limit(OverLimit::Refuse(Refusal::Close)));
    let held: Rc<RefCell<Option<TcpSocket>>> = Rc::default();
    let keep = Rc::clone(&held);
    server.new_connection().connect(move |server| {
        *keep.borrow_mut() = server.next_pending_connection();
    });
    let first = connect(&server);
    until(&event_loop, || held.borrow().is_some());
    let once = Rc::clone(&held);
    server.refused().connect(move |_, _| {
        let socket = once.borrow_mut().take();
        if let Some(socket) = socket {
            socket.abort();
        }
    });
    let clients: Vec<_> = (0..10).map(|_| connect(&server)).collect();
    until(&event_loop, || server.statistics().accepted + server.statistics().refused_in_all() == 11);
    // Every refusal is followed by somebody who is let in, whom the next refusal throws out.
    assert_eq!((server.statistics().accepted, server.statistics().refused_in_all()), (6, 5));
    drop((first, clients));
}

/// A slot appends a socket of its own while a batch is accepted: it counts at once.
#[test]
fn what_is_appended_by_hand_within_a_batch_counts_for_the_next_client() {
    let (event_loop, server) = listening();
    let (_other_loop, spare_server) = listening();
    let spare = connect(&spare_server);
    let own = RefCell::new(Some(TcpSocket::from_std(&event_loop, spare).unwrap()));
    server.set_max_pending_connections(2);
    let most = Rc::new(Cell::new(0));
    let seen = Rc::clone(&most);
    server.new_connection().connect(move |server| {
        if let Some(socket) = own.borrow_mut().take() {
            server.add_pending_connection(socket).unwrap();
        }
        seen.set(seen.get().max(server.statistics().pending));
    });
    let clients: Vec<_> = (0..5).map(|_| connect(&server)).collect();
    until(&event_loop, || server.statistics().pending == 2);
    for _ in 0..5 {
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!((most.get(), server.statistics().accepted), (2, 1));
    drop(clients);
}

/// A handle that is used on the loop's own thread wakes nobody, and its request is done in the next turn.
#[test]
fn a_request_from_the_loops_own_thread_is_done() {
    let (event_loop, server) = listening();
    let handle = server.handle();
    for _ in 0..3 {
        event_loop.process_events(Some(Duration::ZERO)).unwrap(); // so that nothing is left to look after
    }
    let (asking, quit) = (handle.clone(), event_loop.handle());
    event_loop.single_shot(Duration::from_millis(1), move |_| drop(asking.pause()));
    server.state_changed().connect(move |_, state| {
        if state == ServerState::Paused {
            quit.quit();
        }
    });
    event_loop.single_shot(Duration::from_secs(20), |_| panic!("the request was never done"));
    event_loop.run().unwrap();
    assert_eq!(handle.state(), ServerState::Paused);
}
