//! Blocking use of sockets that go through a proxy: every wait does what it does without one.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{BEGUN, GREETING, HOST, METHOD, PORT, Play, REACHED, request_for};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use support::{LIMIT, World, settle};
use vestibule::{NetworkProxy, ProxyType, SocketState, TcpSocket};

const REQUEST: &[u8] = b"CONNECT there.test:80 HTTP/1.1\r\nHost: there.test:80\r\n\r\n";
const YES: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const BOTH: [ProxyType; 2] = [ProxyType::Socks5, ProxyType::Http];

fn reads(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, expected);
}

/// A proxy in a thread. Whoever comes is greeted behind the proxy's last word, by a host that echoes four bytes and ends.
fn proxy_in_a_thread(proxy_type: ProxyType) -> (NetworkProxy, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        if proxy_type == ProxyType::Socks5 {
            reads(&mut stream, GREETING);
            stream.write_all(METHOD).unwrap();
            reads(&mut stream, &request_for(HOST));
            stream.write_all(&[REACHED, b"hello"].concat()).unwrap();
        } else {
            reads(&mut stream, REQUEST);
            stream.write_all(&[YES, b"hello"].concat()).unwrap();
        }
        reads(&mut stream, b"ping");
        stream.write_all(b"ping").unwrap();
    });
    (NetworkProxy::new(proxy_type, "127.0.0.1", port), thread)
}

/// Everything is said ahead, so a wait finds it without a turn of the proxy.
fn says_all_ahead(play: &Play, proxy_type: ProxyType) -> TcpSocket {
    let far = play.begin(HOST);
    let words = if proxy_type == ProxyType::Socks5 { [METHOD, REACHED].concat() } else { YES.to_vec() };
    far.write(&[&words[..], b"data"].concat());
    while far.bytes_to_write() > 0 {
        far.flush();
    }
    far
}

#[test]
fn a_standalone_socket_needs_no_loop() {
    for proxy_type in BOTH {
        for written_first in [true, false] {
            let (proxy, thread) = proxy_in_a_thread(proxy_type);
            let socket = TcpSocket::standalone();
            socket.set_proxy(proxy);
            socket.connect_to_host(HOST, PORT).unwrap();
            if written_first {
                socket.write(b"ping");
            }
            assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
            if !written_first {
                socket.write(b"ping");
            }
            let mut all = String::new();
            socket.blocking(Some(LIMIT)).read_to_string(&mut all).unwrap();
            assert_eq!(all, "helloping");
            thread.join().unwrap();
        }
    }
}

#[test]
fn the_other_waits_connect_first() {
    for proxy_type in BOTH {
        let (proxy, thread) = proxy_in_a_thread(proxy_type);
        let socket = TcpSocket::standalone();
        socket.set_proxy(proxy);
        socket.connect_to_host(HOST, PORT).unwrap();
        socket.write(b"ping");
        assert!(socket.wait_for_bytes_written(Some(LIMIT)).unwrap());
        assert_eq!(socket.state(), SocketState::Connected);
        assert!(socket.wait_for_disconnected(Some(LIMIT)).unwrap());
        assert_eq!(socket.read_all(), b"helloping");
        thread.join().unwrap();
    }
}

/// A slot of the socket may wait for it as well.
#[test]
fn the_slot_of_host_found_can_wait() {
    for proxy_type in BOTH {
        let (proxy, thread) = proxy_in_a_thread(proxy_type);
        let socket = TcpSocket::standalone();
        socket.set_proxy(proxy);
        let waited = Rc::new(Cell::new(false));
        let seen = Rc::clone(&waited);
        socket.host_found().connect(move |socket| {
            assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
            seen.set(true);
        });
        socket.connect_to_host(HOST, PORT).unwrap();
        assert_eq!((waited.get(), socket.state()), (true, SocketState::Connected));
        socket.write(b"ping");
        assert!(socket.wait_for_disconnected(Some(LIMIT)).unwrap());
        assert_eq!(socket.read_all(), b"helloping");
        thread.join().unwrap();
    }
}

on_both! {
    // What comes right behind an HTTP proxy's answer is received while the wait connects, and is what it waits for then.
    fn a_wait_for_something_to_read_ends_when_something_is_there(world: &World) {
        for proxy_type in BOTH {
            let play = Play::new(world, proxy_type);
            let _far = says_all_ahead(&play, proxy_type);
            let ready = Rc::new(Cell::new(0));
            let count = Rc::clone(&ready);
            play.socket.ready_read().connect(move |_| count.set(count.get() + 1));
            assert!(play.socket.wait_for_ready_read(Some(Duration::from_secs(1))).unwrap(), "{proxy_type}");
            assert!(ready.get() > 0 && play.socket.bytes_available() > 0);
            settle(&play.event_loop);
            assert_eq!(play.socket.read_all(), b"data");
        }
    }

    fn a_blocking_read_whose_time_is_over_leaves_the_attempt_as_it_is(world: &World) {
        for proxy_type in BOTH {
            let play = Play::new(world, proxy_type);
            let far = play.begin(HOST);
            let error = play.socket.blocking(Some(Duration::from_millis(5))).read(&mut [0; 4]).unwrap_err();
            assert_eq!((error.kind(), play.socket.state()), (std::io::ErrorKind::TimedOut, SocketState::Connecting));
            let words = if proxy_type == ProxyType::Socks5 { [METHOD, REACHED].concat() } else { YES.to_vec() };
            far.write(&[&words[..], b"data"].concat());
            play.until_connected();
            let mut bytes = [0; 4];
            far.flush();
            play.socket.blocking(Some(LIMIT)).read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"data");
        }
    }

    // As through SOCKS5 and without a proxy, where nothing is received before the second wait.
    fn a_wait_for_the_first_words_can_follow_the_one_that_connects(world: &World) {
        for proxy_type in BOTH {
            let play = Play::new(world, proxy_type);
            let _far = says_all_ahead(&play, proxy_type);
            assert!(play.socket.wait_for_connected(Some(LIMIT)).unwrap());
            assert!(play.socket.wait_for_ready_read(Some(Duration::from_secs(1))).unwrap(), "{proxy_type}");
            assert!(play.socket.bytes_available() > 0);
        }
    }

    fn what_came_while_connecting_is_told_in_that_wait_or_the_next(world: &World) {
        for proxy_type in BOTH {
            let play = Play::new(world, proxy_type);
            let _far = says_all_ahead(&play, proxy_type);
            assert!(play.socket.wait_for_connected(Some(LIMIT)).unwrap());
            while play.socket.bytes_available() < 4 {
                assert!(play.socket.wait_for_ready_read(Some(LIMIT)).unwrap());
            }
            let told = scripted_proxy::once(&play.log.take());
            assert_eq!((told, play.socket.read_all()), (format!("{BEGUN} connected stands ready"), b"data".to_vec()));
        }
    }
}
