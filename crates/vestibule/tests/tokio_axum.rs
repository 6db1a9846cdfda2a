//! The example with axum, as a person uses it: it answers, keeps to its limits, and ends in order on SIGTERM.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod under_tokio;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use under_tokio::{LIMIT, connect, with_limits};
use vestibule::tokio::Peer;
use vestibule::{Limits, ServerHandle};

struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    /// Lets the slow answers go.
    go: Arc<Notify>,
    task: JoinHandle<std::io::Result<()>>,
}

fn start(limits: Limits) -> Server {
    let (listener, address) = with_limits(limits);
    let (handle, closed) = (listener.handle(), listener.closed());
    let go = Arc::new(Notify::new());
    let slow = Arc::clone(&go);
    let app = Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<Peer>| async move { peer.address.to_string() }))
        .route("/slow", get(move || async move { slow.notified().await }));
    let app = app.into_make_service_with_connect_info::<Peer>();
    let task = tokio::spawn(async move { axum::serve(listener, app).with_graceful_shutdown(closed).await });
    Server { address, handle, go, task }
}

async fn ask(client: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
}

/// An answer with its head, up to so many bytes of a body.
async fn answer(client: &mut TcpStream, body: &str) -> String {
    let mut text = Vec::new();
    let whole = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        text.contains("\r\n\r\n") && text.ends_with(body)
    };
    while !whole(&text) {
        let length = timeout(LIMIT, client.read_buf(&mut text)).await.unwrap().unwrap();
        assert!(length > 0, "the end after {:?}", String::from_utf8_lossy(&text));
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn it_answers_and_knows_who_asks() {
    let server = start(Limits::new());
    let mut client = connect(server.address);
    for _ in 0..3 {
        let address = client.local_addr().unwrap().to_string();
        ask(&mut client, "/").await;
        assert!(answer(&mut client, &address).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(server.handle.statistics().accepted, 1);
    server.task.abort();
}

#[tokio::test]
async fn a_limit_keeps_clients_in_the_queue_until_others_end() {
    let server = start(Limits::new().max_connections(2));
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = connect(server.address);
        ask(&mut client, "/").await;
        clients.push(client);
    }
    for mut client in clients {
        let address = client.local_addr().unwrap().to_string();
        answer(&mut client, &address).await;
        assert!(server.handle.statistics().open <= 2);
    }
    assert_eq!((server.handle.statistics().accepted, server.handle.statistics().most_open), (4, 2));
    server.task.abort();
}

/// 1. One connection is idle, one has a request under way, one is new in the queue. 2. A drain begins. 3. The idle one ends, the
/// others are answered first; nothing is cut, and axum returns.
#[tokio::test]
async fn a_drain_answers_what_is_under_way_and_ends_the_rest() {
    let server = start(Limits::new());
    let mut idle = connect(server.address);
    let address = idle.local_addr().unwrap().to_string();
    ask(&mut idle, "/").await;
    answer(&mut idle, &address).await;
    let before = server.handle.statistics().received;
    let mut slow = connect(server.address);
    ask(&mut slow, "/slow").await;
    while server.handle.statistics().received == before {
        tokio::task::yield_now().await;
    }
    let drain = server.handle.drain(LIMIT);
    let mut rest = Vec::new();
    timeout(LIMIT, idle.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty(), "an end, and no reset");
    server.go.notify_one();
    answer(&mut slow, "\r\n\r\n").await;
    let report = timeout(LIMIT, drain).await.unwrap().unwrap();
    assert_eq!((report.ended, report.cut, report.out_of_reach), (2, 0, 0));
    timeout(LIMIT, server.task).await.unwrap().unwrap().unwrap();
}

/// Whoever does not end in time is cut, and axum returns all the same.
#[tokio::test]
async fn a_deadline_cuts_what_does_not_end() {
    let server = start(Limits::new());
    let mut slow = connect(server.address);
    ask(&mut slow, "/slow").await;
    while server.handle.statistics().received == 0 {
        tokio::task::yield_now().await;
    }
    let report = timeout(LIMIT, server.handle.drain(Duration::from_millis(50))).await.unwrap().unwrap();
    assert_eq!((report.cut, report.cut_peers), (1, vec![slow.local_addr().unwrap()]));
    timeout(LIMIT, server.task).await.unwrap().unwrap().unwrap();
}

/// 1. An idle connection has the only place, and a client waits for it. 2. A drain begins. 3. At half its time nobody is waited for
/// any more: the idle connection ends in order, and nothing is cut.
#[tokio::test]
async fn a_drain_at_the_limit_ends_idle_connections_in_time() {
    let server = start(Limits::new().max_connections(1));
    let mut idle = connect(server.address);
    let address = idle.local_addr().unwrap().to_string();
    ask(&mut idle, "/").await;
    answer(&mut idle, &address).await;
    let mut waiting = connect(server.address);
    let report = timeout(LIMIT, server.handle.drain(Duration::from_secs(1))).await.unwrap().unwrap();
    assert_eq!((report.ended, report.cut, report.left_in_queue), (1, 0, 1), "{report:?}");
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0, "an end, and no reset");
    assert!(waiting.read(&mut [0]).await.is_err(), "a reset");
    timeout(LIMIT, server.task).await.unwrap().unwrap().unwrap();
}
