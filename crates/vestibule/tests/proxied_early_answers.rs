//! A proxy that answers before it has heard the request: what was not sent of that is sent, and before anything else.
//!
//! 1. The system takes a part of the request; the rest is kept until there is room.
//! 2. The proxy's answer, which is whole, arrives.
//! 3. The connection is the program's; what it has written follows.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{HOST, METHOD, Play, REACHED, request_for};
use support::World;
use vestibule::ProxyType;

const HTTP_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const HTTP_REQUEST: &[u8] = b"CONNECT there.test:80 HTTP/1.1\r\nHost: there.test:80\r\n\r\n";

fn hears_all_in_order(proxy_type: ProxyType, host: &str, answer: &[u8], request: &[u8]) {
    for seed in 0..32 {
        let play = Play::new(&World::simulation(seed), proxy_type);
        let far = play.begin(host);
        play.socket.write(b"data");
        play.says(&far, answer);
        play.until_connected();
        play.hears(&far, &[request, b"data"].concat());
    }
}

// With seed 13 the system takes a part of the request alone, and the answer is there before the rest has left.
#[test]
fn a_request_to_an_http_proxy_arrives_whole() {
    hears_all_in_order(ProxyType::Http, HOST, HTTP_ANSWER, HTTP_REQUEST);
}

#[test]
fn a_request_to_a_socks5_proxy_arrives_whole() {
    let host = "n".repeat(255);
    let request = [&[5, 1, 0][..], &request_for(&host)].concat();
    hears_all_in_order(ProxyType::Socks5, &host, &[METHOD, REACHED].concat(), &request);
}
