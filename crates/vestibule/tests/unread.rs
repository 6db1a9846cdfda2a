//! What comes and is not read: it neither keeps the loop awake, nor hides an end, nor gets into the next connection.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::SendFlags;
use std::cell::Cell;
use support::{Client, LIMIT, World, assert_sleeps, next, settle, until};
use vestibule::{SocketState, TcpSocket};

/// Sends a byte past all others, which has arrived when this returns.
fn send_urgent(client: &Client, socket: &TcpSocket) {
    let Client::Os(stream) = client else { panic!("the simulation has none") };
    rustix::net::send(stream, b"!", SendFlags::OOB).unwrap();
    let descriptor = socket.socket_descriptor().unwrap();
    let mut polled = [PollFd::new(&descriptor, PollFlags::PRI)];
    assert_eq!(poll(&mut polled, Some(&Timespec::try_from(LIMIT).unwrap())).unwrap(), 1);
}

#[test]
fn an_urgent_byte_does_not_keep_the_loop_awake() {
    let (event_loop, _server, socket, mut client) = World::Os.pair();
    send_urgent(&client, &socket);
    settle(&event_loop);
    assert_sleeps(&event_loop);
    client.send(&event_loop, b"behind it");
    until(&event_loop, || socket.bytes_available() == 9);
}

#[test]
fn an_urgent_byte_does_not_keep_the_loop_awake_behind_a_full_read_buffer() {
    let (event_loop, _server, socket, mut client) = World::Os.pair();
    socket.set_read_buffer_size(5);
    client.send(&event_loop, b"12345");
    until(&event_loop, || socket.bytes_available() == 5);
    send_urgent(&client, &socket);
    settle(&event_loop);
    assert_sleeps(&event_loop);
    client.send(&event_loop, b"678");
    assert_eq!(socket.read_all(), b"12345");
    until(&event_loop, || socket.bytes_available() == 3);
}

#[test]
fn an_urgent_byte_does_not_keep_the_loop_awake_with_much_unsent() {
    for ends in [false, true] {
        let (event_loop, _server, socket, mut client) = World::Os.pair();
        socket.write(&vec![7; 16 << 20]);
        send_urgent(&client, &socket);
        if ends {
            socket.disconnect_from_host();
        }
        settle(&event_loop);
        assert_sleeps(&event_loop);
        assert_eq!(client.receive(&event_loop, 16 << 20).len(), 16 << 20);
    }
}

on_both! {
    /// 1. A reader looks at bytes.
    /// 2. It aborts their connection, begins another, and has used none of them.
    fn bytes_of_the_last_connection_do_not_get_into_the_next(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let (port, once) = (server.server_port(), Cell::new(true));
        socket.ready_read().connect(move |socket| {
            if once.replace(false) {
                socket.read_with(|_| {
                    socket.abort();
                    socket.connect_to_host("127.0.0.1", port).unwrap();
                    0
                });
            }
        });
        client.send(&event_loop, b"old");
        let far = next(&event_loop, &server);
        far.write(b"new");
        until(&event_loop, || socket.bytes_available() >= 3);
        settle(&event_loop);
        assert_eq!(socket.read_all(), b"new");
    }

    fn abort_in_a_reader_discards_what_it_looks_at(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        client.send(&event_loop, b"old");
        until(&event_loop, || socket.bytes_available() == 3);
        socket.read_with(|bytes| {
            assert_eq!(bytes, b"old");
            socket.abort();
            0
        });
        assert_eq!((socket.bytes_available(), socket.read_all()), (0, Vec::new()));
    }

    fn a_reset_behind_a_full_read_buffer_is_told(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        socket.set_read_buffer_size(5);
        client.send(&event_loop, b"1234567890");
        until(&event_loop, || socket.bytes_available() == 5);
        settle(&event_loop);
        client.reset();
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert_eq!(socket.read_all(), b"12345");
    }
}
