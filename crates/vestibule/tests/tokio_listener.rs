//! The front door under tokio: it lets in whom it should, tells its end, and obeys its handle.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod under_tokio;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Barrier;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::transport::server::Connected;
use under_tokio::{LIMIT, connect, next, with_limits, within};
use vestibule::tokio::{Connection, Listener, Options, serve};
use vestibule::{Error, Limits, OverLimit, Refusal, ServerHandle, ServerState, SocketError};

/// Sends back what comes.
async fn echo(mut connection: Connection) {
    let mut buffer = [0; 256];
    while let Ok(length @ 1..) = connection.read(&mut buffer).await {
        if connection.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A client that says something and hears it again.
async fn visit(address: SocketAddr) {
    let mut client = connect(address);
    client.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
}

#[tokio::test]
async fn a_connection_knows_what_there_is_to_know() {
    let (mut listener, address) = with_limits(Limits::new());
    for number in 1..=3 {
        let mut client = connect(address);
        let mut connection = next(&mut listener).await;
        assert_eq!(connection.peer_addr(), client.local_addr().unwrap());
        assert_eq!((connection.local_addr().unwrap(), connection.id()), (address, number));
        assert!(connection.get_ref().nodelay().unwrap());
        connection.write_all(b"welcome").await.unwrap();
        let (stream, permit) = connection.into_parts();
        drop(stream);
        assert_eq!(listener.handle().statistics().open, 1, "the place is kept");
        drop(permit);
        let mut words = String::new();
        client.read_to_string(&mut words).await.unwrap();
        assert_eq!(words, "welcome");
    }
    let statistics = listener.handle().statistics();
    assert_eq!((statistics.accepted, statistics.open, statistics.sent), (3, 0, 21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_connections_is_never_passed() {
    const MOST: usize = 5;
    let (listener, address) = with_limits(Limits::new().max_connections(MOST));
    let handle = listener.handle();
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, top, full) = (Arc::clone(&open), Arc::clone(&most), Arc::new(Barrier::new(MOST)));
    let server = tokio::spawn(serve(listener, move |mut connection| {
        let (now, top, full) = (Arc::clone(&now), Arc::clone(&top), Arc::clone(&full));
        async move {
            top.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            full.wait().await; // so that the limit is reached again and again
            let mut buffer = [0; 5];
            connection.read_exact(&mut buffer).await.unwrap();
            now.fetch_sub(1, Ordering::SeqCst);
            connection.write_all(&buffer).await.unwrap();
        }
    }));
    let clients: Vec<_> = (0..200).map(|_| tokio::spawn(visit(address))).collect();
    for client in clients {
        within(client).await.unwrap();
    }
    let report = within(handle.drain(LIMIT)).await.unwrap();
    assert_eq!((report.cut, report.out_of_reach), (0, 0));
    within(server).await.unwrap().unwrap();
    assert_eq!((handle.statistics().accepted, handle.statistics().open), (200, 0));
    assert_eq!(most.load(Ordering::SeqCst), MOST, "it was reached, and not passed");
}

#[tokio::test]
async fn a_listener_is_a_stream_that_ends_and_tonic_knows_its_connections() {
    let (listener, address) = with_limits(Limits::new());
    let handle = listener.handle();
    let mut connections = listener.map(Result::unwrap);
    for _ in 0..2 {
        let client = connect(address);
        let known = within(connections.next()).await.unwrap().connect_info();
        assert_eq!((known.local_addr(), known.remote_addr()), (Some(address), client.local_addr().ok()));
    }
    within(handle.stop()).await.unwrap();
    assert!(within(connections.next()).await.is_none());
}

#[tokio::test]
async fn a_pause_is_true_when_it_is_answered_and_ends_when_it_is_ended() {
    let (mut listener, address) = with_limits(Limits::new());
    let handle = listener.handle();
    let (client, server) = (connect(address), next(&mut listener).await);
    let pause = async { within(handle.pause()).await.unwrap() };
    let waiting = async { timeout(Duration::from_millis(50), listener.accept()).await.is_err() };
    assert!(tokio::join!(pause, waiting).1);
    assert_eq!(handle.state(), ServerState::Paused);
    let _second = connect(address);
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "nobody is let in");
    assert_eq!(within(handle.kernel_queue()).await.unwrap().unwrap().depth, 1);
    let resume = async { within(handle.resume()).await.unwrap() };
    drop(tokio::join!(next(&mut listener), resume));
    drop((client, server));
    assert!(within(handle.call(|_| ())).await.is_err(), "there is no TcpServer");
}

#[tokio::test]
async fn who_is_over_a_limit_gets_its_last_word() {
    let refusal = Refusal::last_word("come again").unwrap();
    let limits = Limits::new().max_connections(1).over_limit(OverLimit::Refuse(refusal));
    let (listener, address) = with_limits(limits);
    let handle = listener.handle();
    let server = tokio::spawn(serve(listener, echo));
    let mut first = connect(address);
    first.write_all(b"x").await.unwrap();
    first.read_exact(&mut [0]).await.unwrap();
    for _ in 0..100 {
        let mut client = connect(address);
        client.write_all(&[7; 5_000]).await.unwrap(); // which nobody reads
        let mut words = String::new();
        within(client.read_to_string(&mut words)).await.unwrap();
        assert_eq!(words, "come again");
    }
    assert_eq!((handle.statistics().refused_in_all(), handle.statistics().accepted), (100, 1));
    drop(first);
    let report = within(handle.drain(LIMIT)).await.unwrap();
    assert_eq!(report.cut, 0);
    within(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_broken_listener_is_an_error_once_and_then_the_end() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = socket.try_clone().unwrap();
    let mut listener = Listener::from_std(socket, Options::new()).unwrap();
    rustix::net::shutdown(&copy, rustix::net::Shutdown::Both).unwrap(); // accept4 says EINVAL
    let error = within(listener.accept()).await.unwrap_err();
    assert_eq!(error.kind(), SocketError::UnsupportedSocketOperation, "{error}");
    assert!(within(listener.accept()).await.unwrap().is_none());
    assert_eq!(listener.handle().state(), ServerState::Closed);
    within(listener.closed()).await;
}

#[test]
fn what_does_not_listen_comes_back() {
    let stream = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = Listener::from_descriptor(stream.into(), Options::new()).unwrap_err();
    assert_eq!(error.kind(), SocketError::UnsupportedSocketOperation);
    assert!(error.into_descriptor().is_some());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error: Error = Listener::bind(taken.local_addr().unwrap(), Options::new()).unwrap_err();
    assert_eq!(error.kind(), SocketError::AddressInUse, "{error}");
}

#[tokio::test]
async fn several_addresses_are_one_listener_and_none_starves() {
    let (mut listener, first) = with_limits(Limits::new().max_connections(1_000));
    listener.add("[::1]:0").unwrap();
    let addresses = listener.local_addrs();
    assert_eq!((addresses.len(), addresses[0]), (2, first));
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(connect(addresses[0]));
    }
    clients.push(connect(addresses[1]));
    let mut sixth = Vec::new();
    for _ in 0..2 {
        sixth.push(next(&mut listener).await.peer_addr().is_ipv6());
    }
    assert!(sixth.contains(&true), "the second queue has its turn");
}

/// Many tasks, one door: whatever the queues, the limit holds for all together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_share_limits_and_their_end() {
    for reuse_port in [false, true] {
        let options = Options::new().reuse_port(reuse_port).limits(Limits::new().max_connections(3));
        let listener = Listener::bind("127.0.0.1:0", options).unwrap();
        let (address, handle): (_, ServerHandle) = (listener.local_addrs()[0], listener.handle());
        let most = Arc::new(AtomicUsize::new(0));
        let shards = listener.shards(3).unwrap();
        assert_eq!(shards.len(), 3);
        let servers: Vec<_> = shards
            .into_iter()
            .map(|shard| {
                let (most, handle) = (Arc::clone(&most), handle.clone());
                tokio::spawn(serve(shard, move |connection| {
                    most.fetch_max(usize::try_from(handle.statistics().open).unwrap(), Ordering::SeqCst);
                    echo(connection)
                }))
            })
            .collect();
        let clients: Vec<_> = (0..100).map(|_| tokio::spawn(visit(address))).collect();
        for client in clients {
            within(client).await.unwrap();
        }
        let report = within(handle.drain(LIMIT)).await.unwrap();
        assert_eq!((report.cut, report.left_in_queue, handle.statistics().accepted), (0, 0, 100));
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
        for server in servers {
            within(server).await.unwrap().unwrap();
        }
    }
}
