//! Nobody starves: a flood of connections, one busy socket, one busy listener or one slow slot keeps the others waiting for a
//! stated time at most, counted in turns of the loop where that is possible.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use support::{Client, World, turns_until_answered, until};
use vestibule::{EventLoop, HostAddress, TcpServer};

/// How many connections a listener accepts in one turn.
const BATCH: u64 = 16;
/// How much one receive can bring.
const RECEIVE: u64 = 256 << 10;

fn echo(server: &TcpServer) {
    server.set_max_pending_connections(usize::MAX);
    server.new_connection().connect(|server| {
        while let Some(socket) = server.next_pending_connection() {
            socket.ready_read().connect(|socket| {
                socket.read_with(|bytes| socket.write(bytes));
            });
            socket.set_parent(server);
        }
    });
}

fn listening(event_loop: &EventLoop) -> TcpServer {
    let server = TcpServer::new(event_loop);
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    server
}

fn connect(server: &TcpServer) -> Client {
    World::Os.connect(server.server_port())
}

/// How many turns the loop takes until this client, which asks now, is answered.
fn turns_for(event_loop: &EventLoop, client: &mut Client) -> u32 {
    assert_eq!(client.try_send(b"?").unwrap(), 1);
    turns_until_answered(event_loop, client)
}

/// A flood of connections: a connection that stands is answered in the next turn or the one after, and each turn accepts at most a
/// batch.
#[test]
fn a_flood_of_connections_keeps_nobody_waiting() {
    let event_loop = EventLoop::new().unwrap();
    let server = listening(&event_loop);
    echo(&server);
    let mut steady = connect(&server);
    until(&event_loop, || server.statistics().open == 1);
    let flood: Vec<_> = (0..1_000).map(|_| connect(&server)).collect();
    for _ in 0..20 {
        let before = server.statistics().accepted;
        let turns = turns_for(&event_loop, &mut steady);
        assert!(turns <= 2, "{turns} turns");
        assert!(server.statistics().accepted - before <= u64::from(turns) * BATCH);
    }
    assert!(server.statistics().accepted < 1_000, "the flood was there all the time");
    drop(flood);
}

/// One socket that receives as fast as it can: each turn takes one receive of it, so others are answered at once.
#[test]
fn a_busy_socket_keeps_nobody_waiting() {
    let event_loop = EventLoop::new().unwrap();
    let server = listening(&event_loop);
    let received = Rc::new(Cell::new(0_u64));
    let (busy_port, total) = (Rc::new(Cell::new(0)), Rc::clone(&received));
    let port = Rc::clone(&busy_port);
    server.new_connection().connect(move |server| {
        while let Some(socket) = server.next_pending_connection() {
            let (total, port) = (Rc::clone(&total), Rc::clone(&port));
            socket.ready_read().connect(move |socket| {
                socket.read_with(|bytes| {
                    if socket.peer_port() == port.get() {
                        total.set(total.get() + bytes.len() as u64);
                    } else {
                        socket.write(bytes);
                    }
                    bytes.len()
                });
            });
            socket.set_parent(server);
        }
    });
    let mut busy = connect(&server);
    busy_port.set(busy.local_addr().port());
    let mut quiet = connect(&server);
    until(&event_loop, || server.statistics().open == 2);
    let chunk = vec![7; 1 << 20];
    for _ in 0..50 {
        while busy.try_send(&chunk).unwrap() > 0 {} // as much as fits
        let before = received.get();
        let turns = turns_for(&event_loop, &mut quiet);
        assert!(turns <= 2, "{turns} turns");
        assert!(received.get() - before <= u64::from(turns) * RECEIVE);
    }
    assert!(received.get() > 1 << 20);
}

/// One listener with a crowd before it: another server's only client is let in and answered at once.
#[test]
fn a_busy_listener_keeps_no_other_waiting() {
    let event_loop = EventLoop::new().unwrap();
    let (busy, quiet) = (listening(&event_loop), listening(&event_loop));
    echo(&busy);
    echo(&quiet);
    let crowd: Vec<_> = (0..1_000).map(|_| connect(&busy)).collect();
    for number in 0..10 {
        let mut client = connect(&quiet);
        let turns = turns_for(&event_loop, &mut client);
        assert!(turns <= 3, "{turns} turns");
        assert!(busy.statistics().accepted <= (number + 1) * 3 * BATCH);
    }
    drop(crowd);
}

/// A slot that is slow delays the others by its own duration and no more: each of them is run once between two of its runs.
#[test]
fn a_slow_slot_delays_others_by_its_own_duration_alone() {
    let event_loop = EventLoop::new().unwrap();
    let (slow, quiet) = (listening(&event_loop), listening(&event_loop));
    let runs = Rc::new(Cell::new(0));
    let count = Rc::clone(&runs);
    slow.new_connection().connect(move |server| {
        while let Some(socket) = server.next_pending_connection() {
            let count = Rc::clone(&count);
            socket.ready_read().connect(move |_| {
                count.set(count.get() + 1);
                std::thread::sleep(Duration::from_millis(5));
            });
            socket.set_parent(server);
        }
    });
    echo(&quiet);
    let mut busy = connect(&slow);
    let mut client = connect(&quiet);
    until(&event_loop, || slow.statistics().open + quiet.statistics().open == 2);
    for _ in 0..10 {
        busy.send(&event_loop, b"more");
        let before = runs.get();
        turns_for(&event_loop, &mut client);
        assert!(runs.get() - before <= 2, "the slow slot ran {} times first", runs.get() - before);
    }
}
