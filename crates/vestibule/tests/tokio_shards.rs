//! Several listeners of one door, in threads that run at once: nothing is counted twice, and a mere try harms nobody.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod under_tokio;

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use under_tokio::{LIMIT, connect, within};
use vestibule::tokio::{Connection, Listener, Options, serve};
use vestibule::{Limits, OverLimit, Rate, Refusal, ServerHandle};

type Server = JoinHandle<vestibule::Result<()>>;

async fn greet(mut connection: Connection) {
    connection.write_all(b"x").await.unwrap();
}

/// So many shards, each in a task of its own.
fn start(options: Options, number: usize) -> (SocketAddr, ServerHandle, Vec<Server>) {
    let listener = Listener::bind("127.0.0.1:0", options).unwrap();
    let (address, handle) = (listener.local_addrs()[0], listener.handle());
    let shards = listener.shards(number).unwrap();
    let servers = shards.into_iter().map(|shard| tokio::spawn(serve(shard, greet))).collect();
    (address, handle, servers)
}

/// Whether it was greeted, at the end of the connection.
async fn is_greeted(address: SocketAddr) -> bool {
    let mut client = connect(address);
    let mut words = Vec::new();
    within(client.read_to_end(&mut words)).await.is_ok() && words == b"x"
}

async fn end(handle: &ServerHandle, servers: Vec<Server>) {
    let report = within(handle.drain(LIMIT)).await.unwrap();
    assert_eq!((report.cut, report.out_of_reach), (0, 0));
    for server in servers {
        within(server).await.unwrap().unwrap();
    }
    assert_eq!(handle.statistics().open, 0, "every place is back");
}

/// 1. Two clients come and go; with those that the server is about to forget, in up to four threads, five connections are open at
/// most, and five may be. 2. Three shards look for clients at the same time, and take places for them before. 3. Nobody is refused for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_place_that_is_only_tried_refuses_nobody() {
    for reuse_port in [false, true] {
        let limits = Limits::new().max_connections(5).over_limit(OverLimit::Refuse(Refusal::Close));
        let (address, handle, servers) = start(Options::new().reuse_port(reuse_port).limits(limits), 3);
        let clients = (0..2).map(|_| {
            tokio::spawn(async move {
                for _ in 0..2_000 {
                    assert!(is_greeted(address).await);
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
        assert_eq!((handle.statistics().accepted, handle.statistics().refused_in_all()), (4_000, 0));
        end(&handle, servers).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rate_holds_for_all_together_and_nobody_is_forgotten() {
    const CLIENTS: u32 = 150;
    for reuse_port in [false, true] {
        let limits = Limits::new().rate(Rate::per_second(1_000).burst(3)).max_connections(50);
        let begun = Instant::now();
        let (address, handle, servers) = start(Options::new().reuse_port(reuse_port).limits(limits), 3);
        let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(is_greeted(address))).collect();
        for client in clients {
            assert!(client.await.unwrap());
        }
        assert!(begun.elapsed() >= Duration::from_millis(1) * (CLIENTS - 3), "{:?}", begun.elapsed());
        assert_eq!(handle.statistics().accepted, u64::from(CLIENTS));
        end(&handle, servers).await;
    }
}

/// A drain begins while all shards are at work: who had come is served, and nobody twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_drain_amid_the_rush_serves_who_had_come() {
    for round in 0..40 {
        let (address, handle, servers) = start(Options::new().reuse_port(round % 2 == 1), 3);
        let mut clients = Vec::new();
        for _ in 0..30 {
            clients.push(connect(address)); // all are in the queue, or further
        }
        let drain = handle.drain(LIMIT);
        let mut greeted = 0;
        for mut client in clients {
            let mut words = Vec::new();
            let outcome = within(client.read_to_end(&mut words)).await;
            greeted += u32::from(outcome.is_ok() && words == b"x");
        }
        let report = within(drain).await.unwrap();
        assert_eq!((greeted, report.cut, report.left_in_queue), (30, 0, 0));
        assert_eq!((handle.statistics().accepted, handle.statistics().open), (30, 0));
        for server in servers {
            within(server).await.unwrap().unwrap();
        }
    }
}
