//! What ends under tokio: listeners, runtimes, tasks, and those who wait for an answer. Nobody waits for ever.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod under_tokio;

use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use under_tokio::{LIMIT, bind, connect, connect_blocking, runtime};
use vestibule::tokio::{Connection, Listener, Options, serve};
use vestibule::{Limits, ServerState};

/// Two shards are in two runtimes, of which the first carries orders out, and a connection is in the second. When a drain begins the
/// first runtime has nothing more to do. The deadline is kept all the same.
#[test]
fn a_drain_outlives_the_runtime_of_a_shard() {
    let (listener, address) = bind(Options::new().reuse_port(true));
    let handle = listener.handle();
    let mut shards = listener.shards(2).unwrap().into_iter();
    let (first, second) = (shards.next().unwrap(), shards.next().unwrap());
    let (begin, begun) = mpsc::channel();
    let one = thread::spawn(move || {
        runtime().block_on(async move {
            let serving = tokio::spawn(serve(first, |_| async {}));
            tokio::task::yield_now().await;
            begin.send(()).unwrap();
            serving.await.unwrap().unwrap();
        });
    });
    begun.recv().unwrap();
    let (came, comes) = mpsc::channel();
    let two = thread::spawn(move || {
        runtime().block_on(serve(second, move |connection: Connection| {
            came.send(()).unwrap();
            async move {
                let _kept = connection;
                std::future::pending::<()>().await;
            }
        }))
    });
    // The kernel spreads them: one of these comes to the second shard.
    let mut clients = Vec::new();
    while comes.try_recv().is_err() {
        clients.push(connect_blocking(address));
    }
    let report = handle.drain(Duration::from_millis(100)).wait(Some(LIMIT)).unwrap();
    assert!(report.cut >= 1, "{report:?}");
    assert_eq!(report.out_of_reach, 0);
    one.join().unwrap();
    two.join().unwrap().unwrap();
}

#[test]
fn who_asks_a_listener_that_is_gone_is_told_so() {
    let (never_polled, _) = bind(Options::new());
    let handle = never_polled.handle();
    let waiting = handle.pause();
    drop(never_polled);
    assert!(waiting.wait(Some(LIMIT)).is_err());
    assert!(handle.drain(Duration::ZERO).wait(Some(LIMIT)).is_err());

    let (mut listener, _) = bind(Options::new());
    let handle = listener.handle();
    let runtime = runtime();
    assert!(runtime.block_on(async { timeout(Duration::from_millis(5), listener.accept()).await }).is_err());
    drop(runtime);
    drop(listener);
    assert!(handle.drain(Duration::ZERO).wait(Some(LIMIT)).is_err());
    assert_eq!(handle.state(), ServerState::Closed);
}

#[test]
fn a_listener_goes_on_in_the_next_runtime() {
    let (mut listener, address) = bind(Options::new());
    for _ in 0..3 {
        let client = connect_blocking(address);
        let accepted = runtime().block_on(async {
            let next = timeout(LIMIT, listener.accept()).await.unwrap();
            next.unwrap().unwrap().peer_addr()
        });
        assert_eq!(accepted, client.local_addr().unwrap());
    }
    let statistics = listener.handle().statistics();
    assert_eq!((statistics.accepted, statistics.episodes), (3, 0));
}

#[tokio::test]
async fn a_listener_that_was_stopped_listens_no_more_though_nobody_polls_it() {
    let (mut listener, address) = bind(Options::new());
    let handle = listener.handle();
    assert!(timeout(Duration::from_millis(5), listener.accept()).await.is_err());
    timeout(LIMIT, handle.stop()).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    assert!(listener.add("127.0.0.1:0").is_err());
    assert!(listener.accept().await.unwrap().is_none());
    let again = Listener::bind(address, Options::new());
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test]
async fn a_task_that_outlives_its_connection_is_ended_at_the_deadline() {
    let (listener, address) = bind(Options::new());
    let handle = listener.handle();
    let server = tokio::spawn(serve(listener, |connection: Connection| async move {
        drop(connection);
        std::future::pending::<()>().await;
    }));
    let mut client = connect(address);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    let report = timeout(LIMIT, handle.drain(Duration::from_millis(50))).await.unwrap().unwrap();
    assert_eq!((report.cut, report.out_of_reach), (0, 0));
    timeout(LIMIT, server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_handler_that_panics_before_its_task_costs_one_connection() {
    let (listener, address) = bind(Options::new());
    let handle = listener.handle();
    let server = tokio::spawn(serve(listener, |mut connection: Connection| {
        assert!(connection.id() != 2, "as it must be");
        async move {
            connection.write_all(b"fine").await.unwrap();
        }
    }));
    for expected in ["fine", "", "fine"] {
        let mut words = String::new();
        let mut client = connect(address);
        let _ = timeout(LIMIT, client.read_to_string(&mut words)).await.unwrap();
        assert_eq!(words, expected);
    }
    assert_eq!(handle.statistics().panics, 1);
    timeout(LIMIT, handle.drain(LIMIT)).await.unwrap().unwrap();
    server.await.unwrap().unwrap();
}

/// Orders are carried out by whoever comes first, but in the order in which they were given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_order_holds() {
    let (mut listener, _) = bind(Options::new());
    let handle = listener.handle();
    let accepting = tokio::spawn(async move { listener.accept().await });
    for _ in 0..5_000 {
        let (pause, resume) = (handle.pause(), handle.resume());
        let (paused, resumed) = tokio::join!(timeout(LIMIT, pause), timeout(LIMIT, resume));
        assert!(paused.unwrap().is_ok() && resumed.unwrap().is_ok());
        assert_eq!(handle.state(), ServerState::Listening);
    }
    accepting.abort();
}

#[tokio::test]
async fn each_shard_of_all_addresses_has_both_families() {
    let options = Options::new().reuse_port(true).limits(Limits::new().max_connections(1_000));
    let listener = Listener::bind("*:0", options).unwrap();
    let port = listener.local_addrs()[0].port();
    let shards = listener.shards(3).unwrap();
    let mut servers = Vec::new();
    for mut shard in shards {
        servers.push(tokio::spawn(async move {
            let mut number = 0;
            while let Ok(next) = timeout(Duration::from_millis(300), shard.accept()).await {
                drop(next);
                number += 1;
            }
            number
        }));
    }
    for _ in 0..90 {
        drop(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    for server in servers {
        assert!(server.await.unwrap() > 0, "IPv4 clients come to each");
    }
}

/// 1. Two shards have a queue each, and clients are in both. 2. A drain begins, and the first shard has let its own clients in.
/// 3. The second is dropped, and its clients with it. 4. The drain ends, long before its deadline.
#[tokio::test]
async fn a_drain_does_not_wait_for_the_queue_of_a_shard_that_is_gone() {
    const CLIENTS: usize = 40; // that all are for one of two is unlikely: one in 2 to the 39
    let (listener, address) = bind(Options::new().reuse_port(true));
    let handle = listener.handle();
    let mut shards = listener.shards(2).unwrap().into_iter();
    let (mut first, second) = (shards.next().unwrap(), shards.next().unwrap());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(connect(address));
    }
    let drain = handle.drain(10 * LIMIT);
    drop(timeout(LIMIT, first.accept()).await.unwrap().unwrap().unwrap());
    let mut served = 1;
    while let Poll::Ready(next) =
        std::future::poll_fn(|context| Poll::Ready(first.poll_accept(context))).await
    {
        drop(next.unwrap().unwrap());
        served += 1;
    }
    let waiting = tokio::spawn(async move { first.accept().await.unwrap().is_none() });
    tokio::task::yield_now().await; // now it waits
    assert!(served < CLIENTS && !waiting.is_finished());
    drop(second);
    assert!(timeout(LIMIT, waiting).await.unwrap().unwrap());
    let report = timeout(LIMIT, drain).await.unwrap().unwrap();
    assert_eq!((report.let_in, report.cut), (served as u64, 0));
}
