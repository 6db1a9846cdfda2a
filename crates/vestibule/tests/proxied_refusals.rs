//! Connecting out through a SOCKS5 proxy that refuses or lies: each answer has its kind and its words, is told once, and nothing
//! else is.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{HOST, Play};
use support::World;
use vestibule::{ProxyType, SocketError as E, SocketState};

const NO_SOCKS: &str = "SOCKS version 5 protocol error";
const NO_ENTRY: &str = "Proxy authentication failed";

/// What a reply's code means: the kind, the reference's text, and the words of the error.
fn codes() -> [(u8, E, &'static str, &'static str); 10] {
    let unknown = "Unknown SOCKSv5 proxy error code";
    [
        (1, E::Network, "General SOCKSv5 server failure", "the proxy failed"),
        (2, E::SocketAccess, "Connection not allowed by SOCKSv5 server", "the proxy does not allow it"),
        (3, E::Network, "Network unreachable", "the network is unreachable from the proxy"),
        (4, E::HostNotFound, "Host not found", "the proxy does not find the host"),
        (5, E::ConnectionRefused, "Connection refused", "the host refused the proxy's connection"),
        (6, E::Network, "TTL expired", "the time to live expired behind the proxy"),
        (
            7,
            E::UnsupportedSocketOperation,
            "SOCKSv5 command not supported",
            "the proxy does not support the command",
        ),
        (
            8,
            E::UnsupportedSocketOperation,
            "Address type not supported",
            "the proxy does not support the type of the address",
        ),
        (9, E::Unknown, unknown, "the proxy answered with the unknown code 0x09"),
        (0x42, E::Unknown, unknown, "the proxy answered with the unknown code 0x42"),
    ]
}

/// Answers that end an attempt, without user and password.
fn wrong_answers() -> Vec<(&'static [u8], E, &'static str, &'static str)> {
    vec![
        (b"\x05\xff", E::ProxyAuthenticationRequired, NO_ENTRY, "it wants to know who asks"),
        (
            b"\x05\x02",
            E::SocketTimeout,
            "Network operation timed out",
            "it chose the method 0x02, which was not offered",
        ),
        (b"\x04", E::ProxyProtocol, NO_SOCKS, "it answers with the version 4, not 5"),
        (
            b"HTTP/1.1 400 Bad Request\r\n",
            E::ProxyProtocol,
            NO_SOCKS,
            "it answers with the version 72, not 5",
        ),
        (b"\x05\0\0", E::ProxyProtocol, NO_SOCKS, "its reply has the version 0, not 5"),
        (b"\x05\0\x05\0\x01", E::ProxyProtocol, NO_SOCKS, "the reserved byte of its reply is not 0"),
        (b"\x05\0\x05\0\0\x02", E::ProxyProtocol, NO_SOCKS, "its reply has an address of the unknown type 2"),
    ]
}

/// The same with a user and a password.
fn wrong_verdicts() -> Vec<(&'static [u8], E, &'static str, &'static str)> {
    let wrong = "it does not accept the user and the password";
    vec![
        (b"\x05\xff", E::ProxyAuthenticationRequired, NO_ENTRY, "it does not take a user and a password"),
        (
            b"\x05\0",
            E::SocketTimeout,
            "Network operation timed out",
            "it chose the method 0x00, which was not offered",
        ),
        (b"\x05\x02\x01\x01", E::ProxyAuthenticationRequired, NO_ENTRY, wrong),
        (b"\x05\x02\x05\x00", E::ProxyAuthenticationRequired, NO_ENTRY, wrong),
    ]
}

fn socks5(world: &World) -> Play {
    Play::new(world, ProxyType::Socks5)
}

on_both! {
    fn each_code_of_a_reply_has_its_kind_and_its_words(world: &World) {
        for (code, kind, text, words) in codes() {
            let play = socks5(world);
            play.socket.error_occurred().connect(|socket, _| assert_eq!(socket.state(), SocketState::Unconnected));
            let far = play.asked(HOST);
            play.socket.write(b"lost");
            // What stands behind the code does not matter.
            play.says(&far, &[5, code, 0, 1, 0, 0]);
            play.failed(&far, kind, text);
            play.fails_in_a_wait(&[5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0], kind, text, words);
        }
    }

    fn an_answer_that_is_wrong_ends_the_attempt_at_its_first_wrong_byte(world: &World) {
        for (credentials, answers) in [(false, wrong_answers()), (true, wrong_verdicts())] {
            for (answer, kind, text, words) in answers {
                let mut play = socks5(world);
                if credentials {
                    play = play.with_credentials("me", "secret");
                }
                play.fails_in_a_wait(answer, kind, text, words);
                let far = play.begin(HOST);
                for byte in answer {
                    play.says(&far, &[*byte]);
                    if play.socket.state() == SocketState::Unconnected {
                        break;
                    }
                }
                play.failed(&far, kind, text);
            }
        }
    }
}
