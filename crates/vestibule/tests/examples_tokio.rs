//! The examples under tokio, as programs: on SIGTERM they answer what is under way, end the rest, and report.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod example_programs;

use example_programs::{LIMIT, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Whether the far end, on this host, has read what was sent.
fn is_read(stream: &TcpStream) -> bool {
    let place = |address: SocketAddr| format!("0100007F:{:04X}", address.port());
    let (far, near) = (place(stream.peer_addr().unwrap()), place(stream.local_addr().unwrap()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = lines.filter(|line| line.get(1) == Some(&&*far) && line.get(2) == Some(&&*near));
    found.map(|line| line[4].ends_with(":00000000")).next() == Some(true)
}

/// Asks, and waits for an answer that contains this.
fn ask(address: SocketAddr, path: &str, until: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let mut text = String::new();
    while !text.contains(until) {
        let mut some = [0; 512];
        let length = stream.read(&mut some).unwrap();
        assert!(length > 0, "{text}");
        text.push_str(std::str::from_utf8(&some[..length]).unwrap());
    }
    stream
}

/// SIGTERM comes while one request is under way and another connection is idle: the one is answered, the other ends.
fn ends_in_order_on_sigterm(name: &str) {
    let server = Server::start(name, &["127.0.0.1:0"]);
    let mut idle = ask(server.address(), "/", "hello, 127.0.0.1:");
    let mut slow = TcpStream::connect(server.address()).unwrap();
    write!(slow, "GET /slow HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let begun = Instant::now();
    while !is_read(&slow) {
        assert!(begun.elapsed() < LIMIT, "nobody reads the request");
        thread::sleep(Duration::from_millis(1));
    }
    server.terminate();
    let (mut answer, mut rest) = (String::new(), Vec::new());
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done\n"), "{answer}");
    assert_eq!(idle.read_to_end(&mut rest).unwrap(), 0);
    let report = server.last_words();
    assert!(report.starts_with("drained: ") && report.ends_with(" ended, 0 cut []\n"), "{report}");
}

#[test]
fn axum_ends_in_order_on_sigterm() {
    ends_in_order_on_sigterm("axum_server");
}

#[test]
fn hyper_ends_in_order_on_sigterm() {
    ends_in_order_on_sigterm("hyper_server");
}

async fn check(client: &HealthClient<Channel>, service: &str) -> i32 {
    let request = HealthCheckRequest { service: service.to_owned() };
    client.clone().check(request).await.unwrap().into_inner().status
}

/// The same with calls of gRPC: one is under way, another connection is idle.
#[tokio::test]
async fn tonic_ends_in_order_on_sigterm() {
    let server = Server::start("tonic_server", &["127.0.0.1:0"]);
    let channel = Channel::from_shared(format!("http://{}", server.address())).unwrap();
    let client = async || HealthClient::new(channel.connect().await.unwrap());
    let (idle, busy) = (client().await, client().await);
    let serving = i32::from(ServingStatus::Serving);
    assert_eq!(check(&idle, "").await, serving);
    let mut slow = std::pin::pin!(check(&busy, "slow"));
    tokio::select! {
        biased; // so that it is asked first, and is under way when the second question is answered
        _ = &mut slow => panic!("it is slow"),
        quick = check(&busy, "") => assert_eq!(quick, serving),
    }
    server.terminate();
    assert_eq!(slow.await, serving);
    let report = tokio::task::spawn_blocking(|| server.last_words()).await.unwrap();
    assert_eq!(report, "drained: 2 ended, 0 cut []\n");
}
