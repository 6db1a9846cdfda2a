//! Sockets as `semantics.md` describes them, on the system and on the simulation.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use support::{Arrived, Log, World, settle, turns_until_answered, until};
use vestibule::{HostAddress, SocketError, SocketState};

/// Bytes of which no part looks like another.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|number| (number.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

on_both! {
    fn what_is_written_arrives_and_then_the_end(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        assert_eq!(socket.write(b"hello"), 5);
        assert_eq!(socket.write(b" you"), 4);
        assert_eq!(client.look(), Arrived::Nothing, "it leaves at the end of the turn");
        socket.disconnect_from_host();
        assert_eq!((log.take().as_str(), socket.state()), ("closing", SocketState::Closing));
        assert_eq!(socket.write(b"late"), 0);
        assert_eq!(client.receive_to_end(&event_loop), b"hello you");
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        let told = log.take();
        assert!(told.ends_with("bytes unconnected finished gone"), "{told}");
        assert_eq!((socket.peer_address(), socket.peer_port()), (HostAddress::NULL, 0));
    }

    fn disconnecting_with_nothing_unsent_tells_everything_at_once(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        socket.disconnected().connect(|socket| assert!(socket.peer_addr().is_some()));
        socket.disconnect_from_host();
        assert_eq!(log.take(), "closing unconnected finished gone");
        socket.disconnect_from_host();
        socket.abort();
        assert_eq!(log.take(), "");
        assert_eq!(client.receive_to_end(&event_loop), b"");
    }

    fn the_reply_arrives_although_the_request_was_never_read(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        socket.set_read_buffer_size(1);
        client.send(&event_loop, &pattern(20_000));
        settle(&event_loop);
        socket.write(b"reply");
        drop(socket);
        assert_eq!(client.receive_to_end(&event_loop), b"reply");
    }

    fn the_reply_arrives_although_the_peer_goes_on_sending(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        client.send(&event_loop, b"begin");
        socket.write(&pattern(100_000));
        socket.disconnect_from_host();
        let (mut received, mut sent) = (Vec::new(), 0);
        loop {
            if sent < 500_000 {
                sent += client.try_send(&[1; 10_000]).unwrap_or(0);
            }
            match client.look() {
                Arrived::Bytes(bytes) => received.extend(bytes),
                Arrived::Nothing => event_loop.process_events(Some(Duration::from_millis(1))).unwrap(),
                end => break assert_eq!(end, Arrived::End),
            }
        }
        assert!(received == pattern(100_000), "{} bytes", received.len());
    }

    fn lingering_is_bounded_in_time_and_in_bytes(world: &World) {
        let (event_loop, _server, mut pairs) = world.pairs(2);
        event_loop.set_linger_limits(Duration::from_millis(30), 50_000);
        let (silent, mut silent_client) = pairs.remove(0);
        let (flooded, mut flooding_client) = pairs.remove(0);
        silent_client.send(&event_loop, b"unread");
        flooding_client.send(&event_loop, b"unread");
        settle(&event_loop);
        drop((silent, flooded));
        while flooding_client.try_send(&[0; 10_000]).is_ok() {
            event_loop.process_events(Some(Duration::from_millis(1))).unwrap();
        }
        assert_eq!(event_loop.finish(Duration::from_secs(5)).unwrap(), 0);
    }

    fn abort_discards_what_is_unsent(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        socket.write(b"lost");
        socket.abort();
        assert_eq!((log.take().as_str(), socket.bytes_to_write()), ("unconnected finished gone", 0));
        assert_eq!(client.receive_to_end(&event_loop), b"");
    }

    fn the_peers_end_is_told_and_what_was_written_is_still_sent(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        socket.read_channel_finished().connect(|socket| assert_eq!(socket.write(b" and last words"), 15));
        client.send(&event_loop, b"abc");
        until(&event_loop, || socket.bytes_available() == 3);
        log.take();
        socket.write(b"answer");
        client.shut_down();
        assert_eq!(client.receive_to_end(&event_loop), b"answer and last words");
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        let told = log.take();
        assert!(told.contains("finished RemoteHostClosed closing"), "{told}");
        assert!(told.ends_with("unconnected gone"), "{told}");
        assert_eq!((socket.read_all(), socket.error()), (b"abc".to_vec(), SocketError::RemoteHostClosed));
    }

    fn half_open_connections_go_on_after_the_peers_end(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        socket.set_half_open(true);
        client.shut_down();
        until(&event_loop, || log.len() > 0);
        settle(&event_loop);
        assert_eq!((log.take().as_str(), socket.state()), ("finished", SocketState::Connected));
        socket.write(b"much later");
        assert_eq!(client.receive(&event_loop, 10), b"much later");
        log.take();
        socket.disconnect_from_host();
        assert_eq!(log.take(), "closing unconnected gone");
        assert_eq!(client.receive_to_end(&event_loop), b"");
    }

    fn a_reset_is_told(world: &World) {
        let (event_loop, _server, socket, client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        client.reset();
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert_eq!(log.take(), "RemoteHostClosed closing unconnected finished gone");
    }

    fn a_reset_is_noticed_by_a_socket_that_does_not_receive(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        socket.set_read_buffer_size(3);
        client.send(&event_loop, b"abc");
        until(&event_loop, || socket.bytes_available() == 3);
        client.reset();
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert_eq!(socket.read_all(), b"abc");
    }

    fn the_end_is_told_when_all_before_it_was_received(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        socket.set_read_buffer_size(4);
        client.send(&event_loop, b"abcdefg");
        client.shut_down();
        until(&event_loop, || socket.bytes_available() == 4);
        settle(&event_loop);
        assert_eq!(socket.state(), SocketState::Connected, "three bytes precede the end");
        assert_eq!(socket.read(&mut [0; 3]), 3);
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert_eq!(socket.read_all(), b"defg");
    }

    fn what_is_not_read_makes_the_peer_wait(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let mut sent = 0;
        for _ in 0..9000 {
            sent += client.try_send(&[5; 8 << 10]).unwrap();
            event_loop.process_events(Some(Duration::ZERO)).unwrap();
        }
        assert!(socket.bytes_available() <= socket.read_buffer_size(), "{}", socket.bytes_available());
        assert!(sent < 64 << 20, "{sent} bytes were taken");
        let mut read = 0;
        until(&event_loop, || {
            read += socket.read_all().len();
            read == sent
        });
    }

    fn a_peer_that_does_not_read_is_not_read(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        socket.ready_read().connect(|socket| {
            socket.read_with(|bytes| {
                socket.write(&bytes.repeat(20));
                bytes.len()
            });
        });
        let mut sent = 0;
        for _ in 0..3000 {
            sent += client.try_send(&[5; 4096]).unwrap();
            event_loop.process_events(Some(Duration::ZERO)).unwrap();
        }
        assert!(socket.bytes_to_write() < 8 << 20, "{}", socket.bytes_to_write());
        assert_eq!(client.receive(&event_loop, sent * 20).len(), sent * 20);
    }

    fn everything_arrives_in_order_through_short_reads_and_writes(world: &World) {
        let (event_loop, server) = world.server();
        server.new_connection().connect(|server| {
            while let Some(socket) = server.next_pending_connection() {
                socket.ready_read().connect(|socket| { socket.read_with(|bytes| socket.write(bytes)); });
                socket.set_parent(server);
            }
        });
        let mut client = world.connect(server.server_port());
        let data = pattern(3_000_000);
        let (mut sent, mut received) = (0, Vec::new());
        let mut ended = false;
        until(&event_loop, || {
            if sent < data.len() {
                sent += client.try_send(&data[sent..(sent + 100_000).min(data.len())]).unwrap();
            } else if !ended {
                client.shut_down();
                ended = true;
            }
            match client.look() {
                Arrived::Bytes(bytes) => received.extend(bytes),
                Arrived::End => return true,
                Arrived::Nothing => {}
                Arrived::Reset => panic!("reset after {} bytes", received.len()),
            }
            false
        });
        assert!(received == data, "{} of {} bytes", received.len(), data.len());
    }

    fn a_busy_socket_does_not_starve_a_quiet_one(world: &World) {
        let (event_loop, _server, mut pairs) = world.pairs(2);
        for (socket, _) in &pairs {
            socket.ready_read().connect(|socket| { socket.read_with(|bytes| socket.write(bytes)); });
        }
        let (mut busy, mut quiet) = (pairs.remove(0), pairs.remove(0));
        for _ in 0..50 {
            while busy.1.try_send(&[1; 8192]).unwrap() > 0 {} // as much as there is room for
            assert_eq!(quiet.1.try_send(b"x").unwrap(), 1);
            let turns = turns_until_answered(&event_loop, &mut quiet.1);
            assert!(turns <= 2, "{turns} turns for the quiet one");
            busy.1.look();
        }
    }

    fn reading_in_parts_loses_nothing(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        client.send(&event_loop, b"abcdefgh");
        until(&event_loop, || socket.bytes_available() == 8);
        assert_eq!(socket.peek(3), b"abc");
        let mut three = [0; 3];
        assert_eq!((socket.read(&mut three), &three), (3, b"abc"));
        assert_eq!(socket.read_with(|bytes| { assert_eq!(bytes, b"defgh"); 2 }), 2);
        client.send(&event_loop, b"ij");
        until(&event_loop, || socket.bytes_available() == 5);
        assert_eq!(socket.read_with(|_| usize::MAX), 5, "no more than there is");
        assert_eq!(socket.read_all(), b"");
    }

    fn inside_read_with_the_socket_reads_as_empty_and_a_wait_receives_behind(world: &World) {
        let (event_loop, _server, socket, client) = world.pair();
        let client = Rc::new(RefCell::new(client));
        let (far, log, lp) = (Rc::clone(&client), Log::default(), event_loop.clone());
        let words = log.clone();
        socket.ready_read().connect(move |socket| {
            if words.len() > 0 {
                return;
            }
            socket.read_with(|bytes| {
                words.add("lent");
                assert!(bytes.starts_with(b"a"));
                assert_eq!(socket.bytes_available(), 0);
                far.borrow_mut().send(&lp, b"cd");
                assert!(socket.wait_for_ready_read(Some(Duration::from_secs(5))).unwrap());
                assert!(socket.bytes_available() > 0);
                1
            });
        });
        client.borrow_mut().send(&event_loop, b"ab");
        until(&event_loop, || log.len() == 1);
        until(&event_loop, || socket.bytes_available() == 3);
        assert_eq!(socket.read_all(), b"bcd");
    }

    fn a_panic_in_a_slot_or_reader_loses_nothing(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let fuse = Rc::new(Cell::new(true));
        let lit = Rc::clone(&fuse);
        socket.ready_read().connect(move |socket| {
            socket.read_with(|bytes| {
                assert!(!lit.replace(false), "the fuse");
                bytes.len()
            });
        });
        let slot = socket.bytes_written().connect(|_, _| panic!("bytes_written"));
        client.send(&event_loop, b"kept");
        assert!(catch_unwind(AssertUnwindSafe(|| until(&event_loop, || false))).is_err());
        socket.ready_read().block();
        until(&event_loop, || socket.bytes_available() == 4);
        assert_eq!(socket.read_all(), b"kept");
        socket.write(b"sent");
        assert!(catch_unwind(AssertUnwindSafe(|| until(&event_loop, || false))).is_err());
        socket.bytes_written().disconnect(slot);
        assert_eq!(client.receive(&event_loop, 4), b"sent");
        socket.write(b"again");
        assert_eq!(client.receive(&event_loop, 5), b"again");
    }

    fn a_write_over_the_limit_is_refused_whole(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        socket.set_write_buffer_limit(10);
        assert_eq!(socket.write(b"123456"), 6);
        assert_eq!(socket.write(b"12345"), 0);
        assert_eq!(log.take(), "", "write tells nothing");
        settle(&event_loop);
        assert!(log.take().contains("SocketResource"));
        assert_eq!(socket.state(), SocketState::Connected);
        assert_eq!(client.receive(&event_loop, 6), b"123456");
    }

    fn std_read_and_write_are_non_blocking(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let mut stream = &socket;
        assert_eq!(Read::read(&mut stream, &mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        stream.write_all(b"through std").unwrap();
        assert_eq!(client.receive(&event_loop, 11), b"through std");
        client.send(&event_loop, b"xy");
        client.shut_down();
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "xy");
        assert_eq!(Write::write(&mut stream, b"z").unwrap_err().kind(), ErrorKind::NotConnected);
    }

    fn blocking_calls_need_no_running_loop(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        assert!(!socket.wait_for_ready_read(Some(Duration::from_millis(2))).unwrap());
        assert_eq!((log.take().as_str(), socket.state()), ("SocketTimeout", SocketState::Connected));
        client.send(&event_loop, b"hi");
        while socket.bytes_available() < 2 {
            assert!(socket.wait_for_ready_read(Some(Duration::from_secs(5))).unwrap());
        }
        assert!(!socket.wait_for_bytes_written(Some(Duration::ZERO)).unwrap(), "nothing was written");
        socket.write(b"ho");
        assert!(socket.wait_for_bytes_written(None).unwrap());
        assert_eq!(client.receive(&event_loop, 2), b"ho");
        client.shut_down();
        assert!(socket.wait_for_disconnected(Some(Duration::from_secs(5))).unwrap());
        assert!(!socket.wait_for_disconnected(None).unwrap(), "it is over already");
        assert!(socket.wait_for_ready_read(None).is_err());
        assert!(log.take().ends_with("gone"));
    }

    fn a_wait_with_a_full_read_buffer_notices_the_end_and_the_reset(world: &World) {
        let (event_loop, _server, mut pairs) = world.pairs(3);
        let full = |pair: &mut (vestibule::TcpSocket, support::Client), bytes: &[u8]| {
            pair.0.set_read_buffer_size(3);
            pair.1.send(&event_loop, bytes);
            until(&event_loop, || pair.0.bytes_available() == 3);
        };
        for pair in &mut pairs[..2] {
            full(pair, b"abc");
        }
        full(&mut pairs[2], b"abcdef");
        let (ended, far) = pairs.remove(0);
        far.shut_down();
        assert!(ended.wait_for_disconnected(Some(Duration::from_secs(5))).unwrap());
        let (reset, far) = pairs.remove(0);
        far.reset();
        assert!(reset.wait_for_disconnected(Some(Duration::from_secs(5))).unwrap());
        let (behind, far) = pairs.remove(0);
        far.shut_down();
        assert!(!behind.wait_for_disconnected(Some(Duration::from_millis(30))).unwrap(), "bytes precede the end");
        assert!(behind.wait_for_ready_read(None).is_err(), "it is full");
        assert_eq!((ended.read_all(), reset.read_all()), (b"abc".to_vec(), b"abc".to_vec()));
        assert_eq!(behind.read_all(), b"abc");
        until(&event_loop, || behind.bytes_available() == 3);
    }

    fn the_order_of_drops_does_not_matter(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        socket.write(b"after the loop");
        drop(event_loop);
        drop(server);
        drop(socket);
        let other = world.event_loop();
        assert_eq!(client.receive_to_end(&other), b"after the loop");
    }

    fn ownership_passes_through_weak_handles(world: &World) {
        let (_event_loop, _server, socket, _client) = world.pair();
        let weak = socket.downgrade();
        assert_eq!(weak.with(|socket| socket.write(b"abc")), Some(3));
        drop(socket);
        assert_eq!(weak.with(|_| ()), None);
    }
}
