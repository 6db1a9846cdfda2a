//! Connecting out through a SOCKS5 proxy: what it is told byte by byte, and what is the program's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{BEGUN, GREETING, HOST, METHOD, PORT, Play, REACHED, once, request_for};
use std::cell::RefCell;
use std::io::Read;
use std::rc::Rc;
use std::time::Duration;
use support::{LIMIT, World, settle, until};
use vestibule::{HostAddress, ProxyType, SocketError, SocketState};

/// Replies with each kind of address; where the proxy's end is concerns nobody, so a name is as good.
fn replies() -> [Vec<u8>; 3] {
    let mut ipv6 = vec![5, 0, 0, 4];
    ipv6.extend([0xfd; 16]);
    ipv6.extend([1, 2]);
    let mut name = vec![5, 0, 0, 3, 5];
    name.extend(b"proxy\x01\x02");
    [REACHED.to_vec(), ipv6, name]
}

/// Hosts, as the proxy is asked for them.
fn hosts() -> [(&'static str, Vec<u8>); 3] {
    let mut ipv6 = vec![5, 1, 0, 4, 0x20, 0x01, 0x0d, 0xb8];
    ipv6.extend([0; 11]);
    ipv6.extend([7, 0, 80]);
    [(HOST, request_for(HOST)), ("192.0.2.7", vec![5, 1, 0, 1, 192, 0, 2, 7, 0, 80]), ("2001:db8::7", ipv6)]
}

fn socks5(world: &World) -> Play {
    Play::new(world, ProxyType::Socks5)
}

on_both! {
    fn the_proxy_is_told_exactly_that_and_the_socket_knows_whom_it_asked_for(world: &World) {
        for (host, request) in hosts() {
            let play = socks5(world);
            let far = play.begin(host);
            assert_eq!((play.log.take().as_str(), play.socket.state()), (BEGUN, SocketState::Connecting));
            play.hears(&far, GREETING);
            play.says(&far, METHOD);
            play.hears(&far, &request);
            assert_eq!((play.socket.peer_addr(), play.socket.peer_port(), play.socket.local_addr()), (None, 0, None));
            play.says(&far, REACHED);
            play.until_connected();
            settle(&play.event_loop);
            assert_eq!((play.log.take().as_str(), play.socket.peer_name().as_str()), ("connected stands", host));
            let address: Option<HostAddress> = host.parse().ok();
            assert_eq!(play.socket.peer_addr().map(|it| it.ip()), address.as_ref().and_then(HostAddress::to_ip_addr));
            assert_eq!(play.socket.peer_address(), address.unwrap_or(HostAddress::NULL));
            assert_eq!((play.socket.peer_port(), play.socket.local_addr()), (PORT, far.peer_addr()));
            assert_eq!((far.bytes_available(), play.socket.bytes_available()), (0, 0));
            play.socket.write(b"ping");
            play.hears(&far, b"ping");
            far.write(b"pong");
            until(&play.event_loop, || play.socket.bytes_available() == 4);
            assert_eq!((play.socket.read_all().as_slice(), once(&play.log.take()).as_str()), (&b"pong"[..], "bytes ready"));
        }
    }

    fn user_and_password_are_told_when_there_are_any(world: &World) {
        for (user, password, message) in [
            ("me", "secret", b"\x01\x02me\x06secret".to_vec()),
            ("me", "", b"\x01\x02me\x00".to_vec()),
            ("", "secret", b"\x01\x00\x06secret".to_vec()),
            (&*"u".repeat(255), "\u{e4}", [&b"\x01\xff"[..], &[b'u'; 255], b"\x02\xc3\xa4"].concat()),
        ] {
            let play = socks5(world).with_credentials(user, password);
            let far = play.begin(HOST);
            play.hears(&far, &[5, 1, 2]);
            play.says(&far, &[5, 2]);
            play.hears(&far, &message);
            play.says(&far, &[1, 0]);
            play.hears(&far, &request_for(HOST));
            play.says(&far, REACHED);
            play.until_connected();
            assert_eq!(play.log.take(), format!("{BEGUN} connected stands"));
        }
    }

    fn what_is_written_before_arrives_behind_the_handshake_and_not_sooner(world: &World) {
        let play = socks5(world);
        play.socket.connected().connect(|socket| assert_eq!(socket.write(b" last"), 5));
        play.socket.connect_to_host(HOST, PORT).unwrap();
        assert_eq!(play.socket.write(b"first"), 5);
        let far = play.proxy_side();
        play.hears(&far, GREETING);
        assert_eq!(play.socket.write(b" second"), 7);
        play.socket.flush();
        play.says(&far, METHOD);
        play.hears(&far, &request_for(HOST));
        settle(&play.event_loop);
        assert_eq!((far.bytes_available(), play.socket.bytes_to_write()), (0, 12));
        play.says(&far, REACHED);
        play.hears(&far, b"first second last");
        settle(&play.event_loop);
        assert_eq!(once(&play.log.take()), format!("{BEGUN} connected stands bytes"));
        assert_eq!(play.socket.bytes_to_write(), 0);
    }

    fn a_reply_in_any_two_parts_is_one_and_what_follows_is_data(world: &World) {
        for reply in replies() {
            let all = [&reply[..], b"data"].concat();
            for cut in 0..=all.len() {
                let play = socks5(world);
                let far = play.asked(HOST);
                play.says(&far, &all[..cut]);
                if cut >= reply.len() {
                    play.until_connected();
                }
                assert_eq!(play.socket.state() == SocketState::Connected, cut >= reply.len(), "{cut}");
                play.says(&far, &all[cut..]);
                until(&play.event_loop, || play.socket.bytes_available() >= 4);
                assert_eq!(play.socket.read_all(), b"data", "{cut}");
                assert_eq!(once(&play.log.take()), format!("{BEGUN} connected stands ready"), "{cut}");
            }
        }
    }

    fn everything_may_come_byte_by_byte_or_before_it_was_asked_for(world: &World) {
        for size in [1, 100] {
            for reply in replies() {
                let play = socks5(world).with_credentials("me", "secret");
                let far = play.begin(HOST);
                for part in [&[5, 2, 1, 0][..], &reply, b"data"].concat().chunks(size) {
                    play.says(&far, part);
                }
                until(&play.event_loop, || play.socket.bytes_available() >= 4);
                assert_eq!(play.socket.read_all(), b"data");
                assert_eq!(once(&play.log.take()), format!("{BEGUN} connected stands ready"));
                play.hears(&far, &[&b"\x05\x01\x02\x01\x02me\x06secret"[..], &request_for(HOST)].concat());
            }
        }
    }

    fn a_wait_does_all_of_it(world: &World) {
        let play = socks5(world);
        play.socket.write(b"lost, for there is no attempt");
        let far = play.begin(HOST);
        play.socket.write(b"hello");
        far.write(&[METHOD, REACHED, b"data"].concat());
        while far.bytes_to_write() > 0 {
            far.flush();
        }
        assert!(play.socket.wait_for_connected(Some(LIMIT)).unwrap());
        assert_eq!((play.log.take(), play.socket.bytes_available()), (format!("{BEGUN} connected stands"), 0));
        assert!(play.socket.wait_for_connected(Some(Duration::ZERO)).unwrap());
        while play.socket.bytes_available() < 4 {
            assert!(play.socket.wait_for_ready_read(Some(LIMIT)).unwrap());
        }
        assert_eq!(play.socket.read_all(), b"data");
        play.hears(&far, &[GREETING, &request_for(HOST), b"hello"].concat());
    }

    fn a_wait_that_is_over_ends_the_attempt(world: &World) {
        let play = socks5(world);
        let far = play.asked(HOST);
        play.log.take();
        assert!(!play.socket.wait_for_connected(Some(Duration::from_millis(10))).unwrap());
        assert_eq!((play.log.take().as_str(), play.socket.error()), ("unconnected SocketTimeout", SocketError::SocketTimeout));
        until(&play.event_loop, || far.state() == SocketState::Unconnected);
        settle(&play.event_loop);
        assert_eq!((play.log.take().as_str(), play.socket.state()), ("", SocketState::Unconnected));
    }

    fn an_attempt_that_is_aborted_or_dropped_ends_the_connection_to_the_proxy(world: &World) {
        for step in 0..6 {
            let play = socks5(world);
            let far = play.begin(HOST);
            for word in [&METHOD[..1], &METHOD[1..], &REACHED[..1], &REACHED[1..9]].iter().take(step) {
                play.says(&far, word);
            }
            assert_eq!((play.log.take().as_str(), play.socket.state()), (BEGUN, SocketState::Connecting));
            if step % 2 == 0 {
                play.socket.abort();
                assert_eq!((play.log.take().as_str(), play.socket.error()), ("unconnected finished", SocketError::Unknown));
            }
            let (event_loop, log) = (play.event_loop, play.log);
            drop(play.socket);
            until(&event_loop, || far.state() == SocketState::Unconnected);
            settle(&event_loop);
            assert_eq!(log.take(), "");
        }
    }

    fn ending_it_while_the_proxy_is_asked_sends_what_was_written_and_then_ends(world: &World) {
        let play = socks5(world);
        play.socket.connect_to_host(HOST, PORT).unwrap();
        play.socket.write(b"all of it");
        play.socket.disconnect_from_host();
        assert_eq!(play.log.take(), BEGUN);
        let far = play.proxy_side();
        play.says(&far, METHOD);
        play.says(&far, REACHED);
        play.hears(&far, &[GREETING, &request_for(HOST), b"all of it"].concat());
        until(&play.event_loop, || far.state() == SocketState::Unconnected);
        play.until_over();
        assert_eq!(once(&play.log.take()), "connected stands closing bytes unconnected finished gone");
    }

    fn the_socket_can_connect_again_after_a_failure_and_after_a_connection(world: &World) {
        let play = socks5(world);
        for code in [1, 0, 5, 0] {
            let far = play.asked(HOST);
            let mut reply = REACHED.to_vec();
            reply[1] = code;
            play.says(&far, &reply);
            if code == 0 {
                play.until_connected();
                assert_eq!((play.socket.error(), play.socket.write(b"x")), (SocketError::Unknown, 1));
                play.hears(&far, b"x");
                play.socket.abort();
            }
            play.until_over();
            play.log.take();
        }
        // Without its proxy it connects directly, to this host.
        play.socket.connect_to_host("127.0.0.1", play.proxy.server_port()).unwrap();
        play.until_connected();
        let far = play.proxy_side();
        assert_eq!((far.local_addr(), play.socket.write(b"direct")), (play.socket.peer_addr(), 6));
        play.hears(&far, b"direct");
    }
}

/// More than the proxy's word is never received, so the slot of `connected` can have the descriptor.
#[test]
fn the_slot_of_connected_can_have_the_stream() {
    let play = socks5(&World::Os);
    let far = play.asked(HOST);
    far.write(&[REACHED, b"the first words"].concat());
    far.disconnect_from_host();
    let (stream, socket) = (Rc::new(RefCell::new(None)), Rc::new(RefCell::new(Some(play.socket))));
    let (taken, place) = (Rc::clone(&stream), Rc::clone(&socket));
    socket.borrow().as_ref().unwrap().connected().connect(move |_| {
        let socket = place.take().unwrap();
        taken.replace(Some(socket.into_std().unwrap()));
    });
    until(&play.event_loop, || stream.borrow().is_some());
    let mut stream = stream.take().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut words = String::new();
    stream.read_to_string(&mut words).unwrap();
    assert_eq!((words.as_str(), play.log.take()), ("the first words", format!("{BEGUN} connected stands")));
}
