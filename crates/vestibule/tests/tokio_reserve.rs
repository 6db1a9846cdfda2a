//! The descriptor in reserve under tokio, when the process really has none left. One test: the limit is the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;
mod under_tokio;

use std::fs::File;
use support::descriptors::Shortage;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::unbounded_channel;
use under_tokio::{connect, next, with_limits, within};
use vestibule::{Limits, Refusal, RefusalReason, ServerState};

async fn hears(client: &mut TcpStream) -> Vec<u8> {
    let mut words = Vec::new();
    within(client.read_to_end(&mut words)).await.unwrap();
    words
}

/// 1. Twenty clients wait, and no descriptor is left: they get their last word, and the reserve is kept. 2. A connection ends, and
/// the next client takes its descriptor, the only one. 3. The client after that gets its last word. 4. There are descriptors
/// again: the next is served.
#[tokio::test]
async fn who_waits_is_answered_from_the_reserve_and_the_next_is_served() {
    const WAITING: u64 = 20;
    let refusal = Refusal::last_word("no room\n").unwrap();
    let (mut listener, address) = with_limits(Limits::new().reserve_descriptor(true).refusal(refusal));
    let (handle, (tell, mut told)) = (listener.handle(), unbounded_channel());
    let _first_client = connect(address);
    let first = next(&mut listener).await;
    let mut clients = Vec::new();
    for _ in 0..WAITING {
        clients.push(connect(address));
    }
    // They need no descriptor later.
    let (one, other) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
    let shortage = Shortage::but(0);
    let accepting = tokio::spawn(async move {
        while let Some(connection) = listener.accept().await.unwrap() {
            tell.send(connection).unwrap();
        }
    });
    for client in &mut clients {
        assert_eq!(hears(client).await, b"no room\n");
    }
    let statistics = handle.statistics();
    assert_eq!(statistics.refused_for(RefusalReason::NoDescriptors), WAITING);
    assert_eq!((statistics.accepted, statistics.episodes, handle.state()), (1, 1, ServerState::Exhausted));
    assert!(File::open("/dev/null").is_err(), "the reserve is kept, not freed");

    drop(first);
    let _one = one.connect(address).await.unwrap();
    let second = within(told.recv()).await.unwrap();
    let mut other = other.connect(address).await.unwrap();
    assert_eq!(hears(&mut other).await, b"no room\n");

    drop(shortage);
    let _last = connect(address);
    let third = within(told.recv()).await.unwrap();
    drop((second, third));
    within(handle.stop()).await.unwrap();
    within(accepting).await.unwrap();
    assert_eq!((handle.statistics().accepted, handle.statistics().open), (3, 0));
}
