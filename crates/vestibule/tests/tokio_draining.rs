//! Drains under tokio: who waits is served, who is here is told, who stays is cut, and all of it is reported. Also with a clock
//! that tokio has stopped.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod under_tokio;

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use under_tokio::{LIMIT, bind, connect};
use vestibule::tokio::{Connection, Options, serve};
use vestibule::{DrainOptions, Leftover, Limits, Rate, ServerState};

/// Goes on until the drain begins, then says good-bye.
async fn until_drained(mut connection: Connection) {
    connection.write_all(b"hello ").await.unwrap();
    connection.draining().await;
    connection.write_all(b"good-bye").await.unwrap();
}

/// 1. One client waits in the first queue, three in the second. 2. A drain begins. 3. Another comes to the first queue. 4. The
/// four are served, and the fifth came too late.
#[tokio::test]
async fn who_comes_late_to_one_queue_takes_nobodys_place_in_another() {
    let (mut listener, first) = bind(Options::new());
    listener.add("127.0.0.1:0").unwrap();
    let (second, handle) = (listener.local_addrs()[1], listener.handle());
    assert!(timeout(Duration::ZERO, listener.accept()).await.is_err()); // it is in the runtime now
    let mut clients = Vec::new();
    for address in [first, second, second, second] {
        clients.push(connect(address));
    }
    let drain = handle.drain(LIMIT);
    assert!(
        timeout(LIMIT, async {
            while handle.state() != ServerState::Draining {
                tokio::task::yield_now().await;
            }
        })
        .await
        .is_ok()
    );
    let mut late = connect(first);
    let mut served = Vec::new();
    while let Some(connection) = timeout(LIMIT, listener.accept()).await.unwrap().unwrap() {
        served.push(connection.peer_addr());
    }
    let came = clients.iter().map(|client| client.local_addr().unwrap());
    assert!(served.len() == 4 && came.clone().all(|client| served.contains(&client)), "{served:?}");
    assert!(timeout(LIMIT, late.read(&mut [0])).await.unwrap().is_err(), "it is reset");
    let report = timeout(LIMIT, drain).await.unwrap().unwrap();
    assert_eq!((report.let_in, report.cut), (4, 0));
}

#[tokio::test]
async fn clients_in_the_queue_are_served_and_all_are_told() {
    let (mut listener, address) = bind(Options::new());
    let handle = listener.handle();
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(connect(address));
    }
    let mut tasks = Vec::new();
    for _ in 0..2 {
        tasks.push(tokio::spawn(until_drained(listener.accept().await.unwrap().unwrap())));
    }
    let drain = handle.drain(LIMIT);
    while let Some(connection) = timeout(LIMIT, listener.accept()).await.unwrap().unwrap() {
        tasks.push(tokio::spawn(until_drained(connection)));
    }
    assert_eq!(tasks.len(), 5);
    drop(listener); // the rest needs no listener
    let report = timeout(LIMIT, drain).await.unwrap().unwrap();
    assert_eq!((report.ended, report.cut, report.let_in, report.left_in_queue), (5, 0, 3, 0));
    for mut client in clients {
        let mut words = String::new();
        client.read_to_string(&mut words).await.unwrap();
        assert_eq!(words, "hello good-bye");
    }
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    assert_eq!(handle.state(), ServerState::Closed);
}

/// With the clock stopped, a deadline of an hour comes at once, and not a moment too early.
#[tokio::test(start_paused = true)]
async fn who_stays_is_cut_at_the_deadline_and_named() {
    let (listener, address) = bind(Options::new());
    let handle = listener.handle();
    let server = tokio::spawn(serve(listener, |mut connection: Connection| async move {
        let mut all = Vec::new();
        let outcome = connection.read_to_end(&mut all).await;
        assert!(outcome.is_err(), "a part is not the whole");
    }));
    let mut client = connect(address);
    client.write_all(b"half an uplo").await.unwrap();
    while handle.statistics().received < 12 {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    let report = handle.drain(Duration::from_secs(3_600)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(3_600));
    assert_eq!((report.cut, report.cut_peers, report.ended), (1, vec![client.local_addr().unwrap()], 0));
    assert!(report.took >= Duration::from_secs(3_600));
    server.await.unwrap().unwrap();
    let end = client.read(&mut [0]).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "and not an end");
    assert_eq!(handle.statistics().panics, 0);
}

#[tokio::test]
async fn a_task_that_ignores_everything_is_ended_with_its_connection() {
    let (listener, address) = bind(Options::new());
    let handle = listener.handle();
    let server = tokio::spawn(serve(listener, |connection: Connection| async move {
        let _kept = connection;
        std::future::pending::<()>().await;
    }));
    let _client = connect(address);
    while handle.statistics().accepted == 0 {
        tokio::task::yield_now().await;
    }
    let report = timeout(LIMIT, handle.drain(Duration::from_millis(20))).await.unwrap().unwrap();
    assert_eq!((report.cut, report.out_of_reach), (1, 0));
    timeout(LIMIT, server).await.unwrap().unwrap().unwrap();
    assert_eq!(handle.statistics().open, 0);
}

#[tokio::test]
async fn clients_in_the_queue_can_be_refused_instead() {
    let (listener, address) = bind(Options::new());
    let handle = listener.handle();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(connect(address));
    }
    let options = DrainOptions::new(LIMIT).leftover(Leftover::Refuse);
    let drain = handle.drain_with(options);
    let (report, server) = tokio::join!(timeout(LIMIT, drain), async {
        // Orders are carried out once somebody polls: so the drain comes first.
        let mut listener = listener;
        let first = listener.accept().await.unwrap();
        first.is_none()
    });
    let report = report.unwrap().unwrap();
    assert!(server);
    assert_eq!((report.refused, report.let_in), (4, 0));
}

#[tokio::test]
async fn a_panic_of_a_task_costs_its_connection_and_is_counted() {
    let (listener, address) = bind(Options::new());
    let handle = listener.handle();
    let server = tokio::spawn(serve(listener, |mut connection: Connection| async move {
        let mut byte = [0];
        connection.read_exact(&mut byte).await.unwrap();
        assert!(byte == [1], "as it must be");
        connection.write_all(b"fine").await.unwrap();
    }));
    for (byte, answer) in [(1, "fine"), (0, ""), (1, "fine")] {
        let mut client = connect(address);
        client.write_all(&[byte]).await.unwrap();
        let mut words = String::new();
        let _ = timeout(LIMIT, client.read_to_string(&mut words)).await.unwrap();
        assert_eq!(words, answer);
    }
    let report = timeout(LIMIT, handle.drain(LIMIT)).await.unwrap().unwrap();
    assert_eq!(report.cut, 0);
    server.await.unwrap().unwrap();
    assert_eq!((handle.statistics().panics, handle.statistics().open), (1, 0));
}

/// A rate is kept by tokio's clock: with that stopped, a minute's worth of clients takes a minute of it.
#[tokio::test(start_paused = true)]
async fn a_rate_follows_the_clock_of_tokio() {
    let limits = Limits::new().rate(Rate::per_second(1).burst(1));
    let (mut listener, address) = bind(Options::new().limits(limits));
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(connect(address));
    }
    let begun = Instant::now();
    for _ in 0..20 {
        drop(listener.accept().await.unwrap().unwrap());
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(18_900) && took <= Duration::from_millis(20_100), "{took:?}");
}

/// A connection is held; a drain without patience cuts it, and while it is given its moment to end a second drain is asked for.
#[tokio::test]
async fn who_was_cut_is_counted_once_when_drained_again() {
    let (mut listener, address) = bind(Options::new());
    let handle = listener.handle();
    let _client = connect(address);
    let held = timeout(LIMIT, listener.accept()).await.unwrap().unwrap().unwrap();
    let first = handle.drain(Duration::ZERO);
    assert!(timeout(LIMIT, listener.accept()).await.unwrap().unwrap().is_none());
    timeout(LIMIT, async {
        while handle.statistics().cut == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let second = handle.drain(Duration::ZERO);
    let (first, second) =
        timeout(LIMIT, async { (first.await.unwrap(), second.await.unwrap()) }).await.unwrap();
    assert_eq!((first.cut, second.cut), (1, 1));
    drop(held);
}

/// Whoever reads when the deadline comes is told by an error that its connection is cut, before its task is ended.
#[tokio::test]
async fn a_handler_sees_that_its_connection_is_cut() {
    let (listener, address) = bind(Options::new());
    let (handle, (tell, told)) = (listener.handle(), tokio::sync::mpsc::unbounded_channel());
    let server = tokio::spawn(serve(listener, move |mut connection: Connection| {
        let tell = tell.clone();
        async move { tell.send(connection.read_to_end(&mut Vec::new()).await.is_err()).unwrap() }
    }));
    let mut told = told;
    let mut client = connect(address);
    client.write_all(b"x").await.unwrap();
    while handle.statistics().received == 0 {
        tokio::task::yield_now().await;
    }
    let report = timeout(LIMIT, handle.drain(Duration::from_millis(20))).await.unwrap().unwrap();
    assert_eq!((report.cut, report.out_of_reach), (1, 0));
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap(), Some(true));
    timeout(LIMIT, server).await.unwrap().unwrap().unwrap();
}
