//! Connections through a proxy are connections: options, limits and ends hold as without one.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{BEGUN, HOST, METHOD, Play, REACHED, once};
use support::{World, settle, until};
use vestibule::{ProxyType, SocketError, SocketState, TcpSocket};

const BOTH: [ProxyType; 2] = [ProxyType::Socks5, ProxyType::Http];

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

fn yes(proxy_type: ProxyType) -> Vec<u8> {
    if proxy_type == ProxyType::Socks5 { [METHOD, REACHED].concat() } else { OK.to_vec() }
}

/// The proxy has heard everything, and has this to say.
fn asked(play: &Play, proxy_type: ProxyType) -> (TcpSocket, &'static [u8]) {
    if proxy_type == ProxyType::Socks5 {
        return (play.asked(HOST), REACHED);
    }
    let (far, mut heard) = (play.begin(HOST), Vec::new());
    until(&play.event_loop, || {
        heard.extend(far.read_all());
        heard.ends_with(b"\r\n\r\n")
    });
    (far, OK)
}

/// The proxy has reached the host, which says something at once, in the same packet.
fn connected(play: &Play, proxy_type: ProxyType, words: &[u8]) -> TcpSocket {
    let far = play.begin(HOST);
    far.write(&[&yes(proxy_type)[..], words].concat());
    play.until_connected();
    far
}

/// A head that has so many bytes.
fn head_of(length: usize) -> Vec<u8> {
    let (begin, end) = (&b"HTTP/1.1 200 OK\r\nX: "[..], &b"\r\n\r\n"[..]);
    [begin, &b"x".repeat(length - begin.len() - end.len()), end].concat()
}

on_both! {
    fn the_peers_end_behind_the_proxys_word_is_told_as_without_a_proxy(world: &World) {
        for proxy_type in BOTH {
            for words in [&b"data"[..], b""] {
                for half_open in [false, true] {
                    let play = Play::new(world, proxy_type);
                    play.socket.set_half_open(half_open);
                    let (far, yes) = asked(&play, proxy_type);
                    far.write(&[yes, words].concat());
                    far.disconnect_from_host();
                    if half_open {
                        until(&play.event_loop, || play.socket.bytes_available() == words.len() && far.bytes_to_write() == 0);
                        play.until_connected();
                        settle(&play.event_loop);
                        assert_eq!(play.socket.state(), SocketState::Connected);
                        play.socket.disconnect_from_host();
                    }
                    play.until_over();
                    assert_eq!(play.socket.read_all(), words);
                    let ready = if words.is_empty() { "" } else { " ready" };
                    let error = if half_open { "" } else { " RemoteHostClosed" };
                    let told = format!("{BEGUN} connected stands{ready} finished{error} closing unconnected gone");
                    let kind = if half_open { SocketError::Unknown } else { SocketError::RemoteHostClosed };
                    assert_eq!((once(&play.log.take()), play.socket.error()), (told, kind), "{proxy_type} {half_open}");
                }
            }
        }
    }

    fn options_and_the_local_address_are_those_that_were_set_before(world: &World) {
        for proxy_type in BOTH {
            let play = Play::new(world, proxy_type);
            play.socket.bind("127.0.0.1:0").unwrap();
            play.socket.set_no_delay(false).unwrap();
            let bound = play.socket.local_addr();
            let far = connected(&play, proxy_type, b"");
            assert_eq!((play.socket.local_addr(), far.peer_addr()), (bound, bound));
            assert!(bound.is_some() && !play.socket.no_delay().unwrap());
        }
    }

    fn a_limit_of_the_read_buffer_loses_nothing(world: &World) {
        for proxy_type in BOTH {
            let play = Play::new(world, proxy_type);
            play.socket.set_read_buffer_size(3);
            let words = b"more than has room, in the same packet";
            let far = connected(&play, proxy_type, words);
            let mut all = Vec::new();
            until(&play.event_loop, || {
                all.extend(play.socket.read_all());
                all.len() >= words.len()
            });
            far.write(b"!");
            until(&play.event_loop, || play.socket.bytes_available() == 1);
            assert_eq!((all, play.socket.read_all()), (words.to_vec(), b"!".to_vec()));
        }
    }

    // A limit for each part would let 32 KiB pass in two.
    fn a_head_of_16_kib_is_the_longest_in_whatever_parts_it_comes(world: &World) {
        for part in [1, 9 << 10, 20 << 10] {
            for (length, fits) in [((16 << 10) - 1, true), ((16 << 10) + 1, false), (20 << 10, false)] {
                let (play, head) = (Play::new(world, ProxyType::Http), head_of(length));
                let far = play.begin(HOST);
                let (first, second) = head.split_at(part.min(length));
                play.says(&far, first);
                if play.socket.state() == SocketState::Connecting {
                    far.write(second);
                }
                until(&play.event_loop, || play.socket.state() != SocketState::Connecting);
                let told = if fits { "connected stands" } else { "unconnected ProxyProtocol" };
                assert_eq!(play.log.take(), format!("{BEGUN} {told}"), "{length} bytes, {part} at first");
            }
        }
    }
}
