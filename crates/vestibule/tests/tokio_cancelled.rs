//! A future of `accept` that is dropped has accepted nobody, at whatever point it is dropped.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod under_tokio;

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;
use under_tokio::{connect, connect_blocking, with_limits, within};
use vestibule::tokio::serve;
use vestibule::{Limits, Rate};

/// A future of `accept` is polled and dropped, again and again, at every point at which it can wait: for a client, for a place,
/// for a rate. Whoever has come is accepted by the next one.
#[tokio::test]
async fn a_dropped_accept_has_accepted_nobody() {
    for limits in [
        Limits::new(),
        Limits::new().max_connections(1),
        Limits::new().rate(Rate::per_second(1_000).burst(1)),
    ] {
        let (mut listener, address) = with_limits(limits);
        let mut known = Vec::new();
        for _ in 0..50 {
            let client = connect(address);
            let mut accepted = None;
            while accepted.is_none() {
                for _ in 0..3 {
                    let mut future = Box::pin(listener.accept());
                    let mut context = Context::from_waker(Waker::noop());
                    if let std::task::Poll::Ready(result) = future.as_mut().poll(&mut context) {
                        accepted = result.unwrap();
                        break;
                    }
                }
                tokio::time::sleep(Duration::from_micros(100)).await; // the reactor, and the rate
            }
            let connection = accepted.unwrap();
            assert_eq!(connection.peer_addr(), client.local_addr().unwrap(), "each once, in order");
            known.push(connection.peer_addr());
        }
        let statistics = listener.handle().statistics();
        assert_eq!((known.len(), statistics.accepted, statistics.open), (50, 50, 0));
    }
}

/// Clients come from other threads all the while, and tasks that serve end: a future is polled once, or a few times, and dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_lost_who_comes_while_futures_are_dropped() {
    const CLIENTS: usize = 600;
    for limits in [
        Limits::new(),
        Limits::new().max_connections(3),
        Limits::new().rate(Rate::per_second(5_000).burst(2)).max_connections(50),
    ] {
        let (mut listener, address) = with_limits(limits);
        let come = move || -> Vec<SocketAddr> {
            let clients = (0..CLIENTS / 3).map(|_| connect_blocking(address));
            clients.map(|client| client.local_addr().unwrap()).collect()
        };
        let threads: Vec<_> = (0..3).map(|_| thread::spawn(come)).collect();
        let mut accepted = Vec::new();
        while accepted.len() < CLIENTS {
            let polls = accepted.len() % 4;
            tokio::select! {
                biased;
                connection = within(listener.accept()) => {
                    let connection = connection.unwrap().unwrap();
                    accepted.push(connection.peer_addr());
                    tokio::spawn(async move {
                        tokio::task::yield_now().await;
                        drop(connection);
                    });
                }
                () = async { for _ in 0..polls { tokio::task::yield_now().await } } => {}
            }
        }
        let came: BTreeSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!((accepted.len(), accepted.into_iter().collect::<BTreeSet<_>>()), (CLIENTS, came));
        let (handle, report) = (listener.handle(), listener.handle().drain(Duration::from_secs(20)));
        within(serve(listener, |_| async {})).await.unwrap();
        assert_eq!((within(report).await.unwrap().cut, handle.statistics().open), (0, 0));
        assert_eq!(handle.statistics().accepted, CLIENTS as u64);
    }
}
