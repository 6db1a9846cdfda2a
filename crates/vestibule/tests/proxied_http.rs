//! Connecting out through an HTTP proxy: the request, the head of its answer, and what is the peer's behind it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{BEGUN, HOST, PORT, Play, once};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::{LIMIT, World, settle, until};
use vestibule::{HostAddress, ProxyType, SocketError as E, SocketState};

const REQUEST: &[u8] = b"CONNECT there.test:80 HTTP/1.1\r\nHost: there.test:80\r\n\r\n";
const YES: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
const NO_HTTP: &str = "Error communicating with HTTP proxy";

fn http(world: &World) -> Play {
    Play::new(world, ProxyType::Http)
}

/// Answers that connect.
fn answers() -> [&'static [u8]; 6] {
    [
        YES,
        b"HTTP/1.0 200\r\n\r\n",
        b"HTTP/1.1 204 \r\nVia: 1.1 somewhere\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 299 OK\r\nProxy-Connection: close\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nBare: line feeds\n\n",
    ]
}

/// Answers that do not: the status line, the kind, the reference's text, and the words of the error.
fn refusals() -> [(&'static str, E, &'static str, &'static str); 12] {
    let denied = "Proxy denied connection";
    let forbidden = "the proxy does not allow it";
    let unreachable = "the proxy cannot reach the host";
    [
        ("401 Unauthorized", E::SocketAccess, denied, forbidden),
        ("403 Forbidden", E::SocketAccess, denied, forbidden),
        ("405 Method Not Allowed", E::SocketAccess, denied, forbidden),
        ("404 Not Found", E::HostNotFound, "Host not found", "the proxy does not find the host"),
        (
            "407 Who?",
            E::ProxyAuthenticationRequired,
            "Proxy authentication failed",
            "it wants to know who asks",
        ),
        ("502 Bad Gateway", E::ConnectionRefused, "Connection refused", unreachable),
        ("503 Unavailable", E::ConnectionRefused, "Connection refused", unreachable),
        ("504 Late", E::SocketTimeout, "Network operation timed out", "the host does not answer the proxy"),
        ("500 Oh", E::ProxyProtocol, NO_HTTP, "it answers with the status 500"),
        ("302 Found", E::ProxyProtocol, NO_HTTP, "it answers with the status 302"),
        ("400 Bad", E::ProxyProtocol, NO_HTTP, "it answers with the status 400"),
        ("999 Beyond", E::ProxyProtocol, NO_HTTP, "it answers with the status 999"),
    ]
}

on_both! {
    fn the_request_names_the_host_and_the_socket_knows_whom_it_asked_for(world: &World) {
        for (host, target) in [(HOST, "there.test:80"), ("192.0.2.7", "192.0.2.7:80"), ("2001:db8::7", "[2001:db8::7]:80")] {
            let play = http(world);
            let far = play.begin(host);
            let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
            play.hears(&far, request.as_bytes());
            play.socket.write(b"early");
            settle(&play.event_loop);
            assert_eq!((far.bytes_available(), play.log.take().as_str()), (0, BEGUN));
            play.says(&far, YES);
            play.hears(&far, b"early");
            settle(&play.event_loop);
            assert_eq!(once(&play.log.take()), "connected stands bytes");
            assert_eq!((play.socket.peer_name().as_str(), play.socket.peer_port()), (host, PORT));
            let address: Option<HostAddress> = host.parse().ok();
            assert_eq!(play.socket.peer_address(), address.unwrap_or(HostAddress::NULL));
            assert_eq!(play.socket.peer_addr().is_some(), host != HOST);
        }
    }

    fn user_and_password_stand_in_the_request(world: &World) {
        for (user, password, encoded) in [("Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), ("", "p", "OnA=")] {
            let play = http(world).with_credentials(user, password);
            let far = play.begin(HOST);
            let line = format!("Proxy-Authorization: Basic {encoded}\r\n\r\n");
            play.hears(&far, &[&REQUEST[..REQUEST.len() - 2], line.as_bytes()].concat());
            play.says(&far, b"HTTP/1.1 407 Wrong\r\n\r\n");
            play.failed(&far, E::ProxyAuthenticationRequired, "Proxy authentication failed");
            let words = "it does not accept the user and the password";
            let kind = E::ProxyAuthenticationRequired;
            play.fails_in_a_wait(b"HTTP/1.1 407 Wrong\r\n\r\n", kind, "Proxy authentication failed", words);
        }
    }

    fn an_answer_in_any_two_parts_is_one_and_what_follows_is_data(world: &World) {
        for head in answers() {
            let all = [head, b"data"].concat();
            for cut in 0..=all.len() {
                let play = http(world);
                let far = play.begin(HOST);
                play.hears(&far, REQUEST);
                play.says(&far, &all[..cut]);
                if cut >= head.len() {
                    play.until_connected();
                }
                assert_eq!(play.socket.state() == SocketState::Connected, cut >= head.len(), "{cut}");
                play.says(&far, &all[cut..]);
                until(&play.event_loop, || play.socket.bytes_available() >= 4);
                assert_eq!(play.socket.read_all(), b"data", "{cut}");
                assert_eq!(once(&play.log.take()), format!("{BEGUN} connected stands ready"), "{cut}");
            }
        }
    }

    fn an_answer_may_come_byte_by_byte(world: &World) {
        for head in answers() {
            let play = http(world);
            let far = play.begin(HOST);
            for byte in [head, b"data"].concat() {
                play.says(&far, &[byte]);
            }
            until(&play.event_loop, || play.socket.bytes_available() >= 4);
            assert_eq!(play.socket.read_all(), b"data");
        }
    }

    fn much_behind_the_answer_is_all_there_and_in_order(world: &World) {
        let words: Vec<u8> = (0..100_000_u32).map(|number| (number % 251).to_le_bytes()[0]).collect();
        let play = http(world);
        let far = play.begin(HOST);
        far.write(YES);
        far.write(&words);
        far.disconnect_from_host();
        until(&play.event_loop, || far.state() == SocketState::Unconnected);
        play.until_over();
        assert!(play.socket.read_all() == words);
        let told = once(&play.log.take());
        assert!(told.starts_with(&format!("{BEGUN} connected stands ready")), "{told}");
        assert!(told.ends_with("finished RemoteHostClosed closing unconnected gone"), "{told}");
    }

    fn each_status_has_its_kind_and_its_words(world: &World) {
        for (status, kind, text, words) in refusals() {
            let play = http(world);
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno");
            let far = play.begin(HOST);
            play.hears(&far, REQUEST);
            play.says(&far, answer.as_bytes());
            play.failed(&far, kind, text);
            play.fails_in_a_wait(answer.as_bytes(), kind, text, words);
        }
    }

    fn what_is_no_http_or_has_no_end_is_an_error_of_the_protocol(world: &World) {
        let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &b"x".repeat(17 << 10)].concat();
        let many = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(101)].concat();
        for answer in [&b"\x05\x00"[..], b"SSH-2.0-there\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n", b"\0", &endless, &many] {
            let play = http(world);
            let far = play.begin(HOST);
            far.write(answer);
            play.failed(&far, E::ProxyProtocol, NO_HTTP);
            let far = play.begin(HOST);
            far.write(answer);
            far.flush();
            if answer.len() < 100 {
                let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
                assert!(error.to_string().starts_with(&play.sentence(HOST, "it does not answer in HTTP: ")), "{error}");
            }
        }
    }

    fn a_proxy_that_ends_the_connection_early_or_falls_silent_is_told_as_that(world: &World) {
        for cut in [0, 1, 9, YES.len() - 1] {
            let play = http(world);
            let far = play.begin(HOST);
            far.write(&YES[..cut]);
            far.disconnect_from_host();
            play.failed(&far, E::ProxyConnectionClosed, "Connection to proxy closed prematurely");
            play.socket.set_connect_timeout(Some(Duration::from_millis(30)));
            let far = play.begin(HOST);
            far.write(&YES[..cut]);
            play.failed(&far, E::SocketTimeout, "Network operation timed out");
        }
    }

    fn a_host_that_would_be_more_than_a_host_is_never_said(world: &World) {
        for host in ["a b", "a\r\nX-Evil: b", "caf\u{e9}.test", "nul\0"] {
            let play = http(world);
            play.socket.connect_to_host(host, PORT).unwrap();
            let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
            assert_eq!(error.kind(), E::HostNotFound);
            settle(&play.event_loop);
            assert_eq!(play.log.take(), "looking up the host unconnected HostNotFound");
            assert!(!play.proxy.has_pending_connections());
        }
    }
}

/// What came behind the head is in the socket, and would be lost.
#[test]
fn the_slot_of_connected_cannot_have_the_stream_when_something_is_unread() {
    let play = http(&World::Os);
    let far = play.begin(HOST);
    far.write(&[YES, b"data"].concat());
    let place = Rc::new(RefCell::new(Some(play.socket)));
    let (error, socket) = (Rc::new(RefCell::new(None)), Rc::clone(&place));
    let seen = Rc::clone(&error);
    place.borrow().as_ref().unwrap().connected().connect(move |_| {
        let taken = socket.take().unwrap();
        let rejected = taken.into_std().unwrap_err();
        seen.replace(Some(rejected.error.to_string()));
        socket.replace(Some(rejected.value));
    });
    until(&play.event_loop, || error.borrow().is_some());
    assert!(error.take().unwrap().contains("4 bytes were received and not read"));
    settle(&play.event_loop);
    let socket = place.take().unwrap();
    assert_eq!(
        (socket.read_all().as_slice(), play.log.take()),
        (&b"data"[..], format!("{BEGUN} connected stands ready"))
    );
    assert!(socket.into_std().is_ok(), "now that it was read");
}
