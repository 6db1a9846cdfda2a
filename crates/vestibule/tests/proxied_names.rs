//! A proxy that cannot look up names: those are looked up here, and it is asked for an address.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{BEGUN, GREETING, HOST, METHOD, PORT, Play, REACHED};
use std::net::{SocketAddr, ToSocketAddrs};
use support::{LIMIT, World, settle};
use vestibule::{ProxyCapabilities, ProxyType, SocketError};

fn without_names(world: &World, proxy_type: ProxyType) -> Play {
    let play = Play::new(world, proxy_type);
    let mut proxy = play.socket.proxy();
    proxy.set_capabilities(ProxyCapabilities::TUNNELING);
    play.socket.set_proxy(proxy);
    play
}

on_both! {
    fn a_name_that_is_not_known_here_never_comes_to_the_proxy(world: &World) {
        for proxy_type in [ProxyType::Socks5, ProxyType::Http] {
            let play = without_names(world, proxy_type);
            play.socket.connect_to_host("two..dots", PORT).unwrap();
            let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
            assert_eq!((error.kind(), error.error_string()), (SocketError::HostNotFound, "Host not found"));
            settle(&play.event_loop);
            assert_eq!(play.log.take(), "looking up the host unconnected HostNotFound");
            assert!(!play.proxy.has_pending_connections());
        }
    }

    fn what_a_proxy_might_take_for_an_address_never_comes_to_it(world: &World) {
        for proxy_type in [ProxyType::Socks5, ProxyType::Http] {
            for host in ["127.1", "0x7f000001", "1", "017700000001"] {
                let play = Play::new(world, proxy_type);
                play.socket.connect_to_host(host, PORT).unwrap();
                let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
                assert_eq!((error.kind(), error.error_string()), (SocketError::HostNotFound, "Host not found"));
                settle(&play.event_loop);
                assert_eq!(play.log.take(), "looking up the host unconnected HostNotFound");
                assert!(!play.proxy.has_pending_connections());
            }
        }
    }

    fn an_address_needs_no_looking_up(world: &World) {
        let play = without_names(world, ProxyType::Socks5);
        let far = play.begin("192.0.2.7");
        play.says(&far, METHOD);
        play.hears(&far, &[GREETING, &[5, 1, 0, 1, 192, 0, 2, 7, 0, 80]].concat());
        play.says(&far, REACHED);
        play.until_connected();
        assert_eq!(play.log.take(), format!("{BEGUN} connected stands"));
    }
}

/// A name that the system knows and that is not this host's `localhost`.
fn name_of_the_machine() -> Option<(String, SocketAddr)> {
    let name = std::fs::read_to_string("/etc/hostname").ok()?.trim().to_owned();
    let address = (name.as_str(), PORT).to_socket_addrs().ok()?.next()?;
    Some((name, address)).filter(|(name, _)| !name.ends_with("localhost"))
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_name_that_is_known_here_comes_to_the_proxy_as_an_address() {
    let Some((name, address)) = name_of_the_machine() else {
        eprintln!("skipped: the machine has no name that can be looked up");
        return;
    };
    let play = without_names(&World::Os, ProxyType::Http);
    let far = play.begin(&name);
    play.hears(&far, format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
    play.says(&far, b"HTTP/1.1 200 OK\r\n\r\n");
    play.until_connected();
    assert_eq!(play.log.take(), format!("{BEGUN} connected stands"));
    assert_eq!((play.socket.peer_name(), play.socket.peer_addr()), (name, Some(address)));
    // Whoever leaves it to the proxy gives it the name.
    let play = Play::new(&World::Os, ProxyType::Http);
    let far = play.begin(HOST);
    play.hears(&far, format!("CONNECT {HOST}:{PORT} HTTP/1.1\r\nHost: {HOST}:{PORT}\r\n\r\n").as_bytes());
}
