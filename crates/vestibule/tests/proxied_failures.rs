//! Connecting out through a SOCKS5 proxy that cannot be reached, falls silent or goes away: each failure is told once, in its own
//! words, and nothing else is.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{BEGUN, GREETING, HOST, METHOD, Play, REACHED, request_for};
use std::time::Duration;
use support::{BlackHole, LIMIT, World, settle, until};
use vestibule::{NetworkProxy, ProxyType, SocketError as E};

fn socks5(world: &World) -> Play {
    Play::new(world, ProxyType::Socks5)
}

on_both! {
    fn a_proxy_that_ends_the_connection_early_is_told_as_that(world: &World) {
        let all = [METHOD, REACHED].concat();
        for cut in 0..all.len() {
            for half in [true, false] {
                let play = socks5(world);
                let far = play.begin(HOST);
                if half {
                    far.write(&all[..cut]);
                    far.disconnect_from_host();
                } else {
                    play.says(&far, &all[..cut]);
                    far.disconnect_from_host();
                }
                play.failed(&far, E::ProxyConnectionClosed, "Connection to proxy closed prematurely");
            }
        }
        let play = socks5(world);
        let far = play.begin(HOST);
        far.disconnect_from_host();
        let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
        assert_eq!(error.to_string(), play.sentence(HOST, "the proxy closed the connection"));
        assert_eq!(error.kind(), E::ProxyConnectionClosed);
    }

    fn a_proxy_that_resets_the_connection_is_told_as_that(world: &World) {
        for in_a_wait in [false, true] {
            let play = socks5(world);
            let far = play.begin(HOST);
            far.set_read_buffer_size(1); // what is left unread makes it a reset
            until(&play.event_loop, || far.bytes_available() == 1);
            settle(&play.event_loop);
            far.abort();
            if in_a_wait {
                let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
                assert_eq!(error.kind(), E::ProxyConnectionClosed, "{error}");
                assert!(error.to_string().starts_with(&play.sentence(HOST, "")), "{error}");
            }
            play.failed(&far, E::ProxyConnectionClosed, "Connection to proxy closed prematurely");
        }
    }

    fn a_proxy_that_falls_silent_has_the_time_of_the_attempt(world: &World) {
        let all = [METHOD, REACHED].concat();
        for cut in [0, 1, 2, 7, all.len() - 1] {
            let play = socks5(world);
            play.socket.set_connect_timeout(Some(Duration::from_millis(50)));
            let far = play.begin(HOST);
            play.says(&far, &all[..cut]);
            play.failed(&far, E::SocketTimeout, "Network operation timed out");
            far.abort();
            play.fails_in_a_wait(&all[..cut], E::SocketTimeout, "Network operation timed out", "connection timed out");
        }
    }

    fn a_proxy_that_refuses_connections_is_told_as_that(world: &World) {
        for in_a_wait in [false, true] {
            let play = socks5(world);
            let refusing = world.refusing();
            play.socket.set_proxy(NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", refusing.port));
            play.socket.connect_to_host(HOST, 80).unwrap();
            if in_a_wait {
                let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
                assert_eq!(error.to_string(), play.sentence(HOST, "connection refused"));
            }
            play.until_over();
            settle(&play.event_loop);
            assert_eq!(play.log.take(), format!("{BEGUN} unconnected ProxyConnectionRefused"));
            assert_eq!(play.socket.error_string(), "Connection to proxy refused");
        }
    }

    fn a_proxy_whose_name_is_unknown_is_told_as_that_and_not_as_the_host(world: &World) {
        for name in ["", "two..dots"] {
            let play = socks5(world);
            play.socket.set_proxy(NetworkProxy::new(ProxyType::Socks5, name, 1080));
            play.socket.connect_to_host(HOST, 80).unwrap();
            let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
            assert_eq!((error.kind(), error.error_string()), (E::ProxyNotFound, "Proxy host not found"));
            assert!(error.to_string().starts_with(&play.sentence(HOST, "")), "{error}");
            assert_eq!(play.log.take(), "looking up the host unconnected ProxyNotFound");
        }
    }

    fn what_cannot_be_said_to_a_proxy_is_refused_without_one(world: &World) {
        let long = "n".repeat(256);
        let words = "user and password have room for 255 bytes each";
        let names = "a host's name has 1 to 255 bytes";
        for (host, user, password, kind, words) in [
            (long.as_str(), "", "", E::HostNotFound, names),
            ("", "", "", E::HostNotFound, names),
            (HOST, &*long, "secret", E::ProxyAuthenticationRequired, words),
            (HOST, "me", &*long, E::ProxyAuthenticationRequired, words),
        ] {
            let play = socks5(world).with_credentials(user, password);
            play.socket.connect_to_host(host, 80).unwrap();
            assert_eq!(play.log.take(), "looking up the host");
            settle(&play.event_loop);
            assert_eq!(play.log.take(), format!("unconnected {kind:?}"));
            play.socket.connect_to_host(host, 80).unwrap();
            let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (kind, play.sentence(host, words)));
            assert!(!play.proxy.has_pending_connections());
        }
        // A byte less is fine.
        let play = socks5(world);
        let far = play.begin(&long[1..]);
        play.says(&far, METHOD);
        play.hears(&far, &[GREETING, &request_for(&long[1..])].concat());
    }
}

/// The connection to the proxy is one thing, its answer another.
#[test]
fn a_proxy_that_cannot_be_reached_in_time_is_told_as_that() {
    for in_a_wait in [false, true] {
        let (play, hole) = (socks5(&World::Os), BlackHole::new());
        play.socket.set_proxy(NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", hole.port));
        play.socket.set_connect_timeout(Some(Duration::from_millis(30)));
        play.socket.connect_to_host(HOST, 80).unwrap();
        if in_a_wait {
            let error = play.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
            assert_eq!(error.to_string(), play.sentence(HOST, "connection timed out"));
        }
        play.until_over();
        assert_eq!(play.log.take(), format!("{BEGUN} unconnected ProxyConnectionTimeout"));
        assert_eq!(play.socket.error_string(), "Connection to proxy timed out");
    }
}

/// The time of a wait is no failing of the proxy's.
#[test]
fn a_wait_that_is_over_before_the_proxy_is_reached_is_told_as_that() {
    let (play, hole) = (socks5(&World::Os), BlackHole::new());
    play.socket.set_proxy(NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", hole.port));
    play.socket.connect_to_host(HOST, 80).unwrap();
    assert!(!play.socket.wait_for_connected(Some(Duration::from_millis(10))).unwrap());
    assert_eq!(play.log.take(), format!("{BEGUN} unconnected SocketTimeout"));
    assert_eq!(play.socket.error_string(), "Network operation timed out");
}
