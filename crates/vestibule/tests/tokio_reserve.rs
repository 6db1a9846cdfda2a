//! The descriptor in reserve under tokio, when the process really has none left. One test: the limit is the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod under_tokio;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use under_tokio::{next, with_limits, within};
use vestibule::{Limits, Refusal, RefusalReason, ServerState};

/// 1. Twenty clients wait, and no descriptor is left. 2. They get their last word, and the reserve is kept. 3. There are
/// descriptors again: the next client is served.
#[tokio::test]
async fn who_waits_is_answered_from_the_reserve_and_the_next_is_served() {
    const WAITING: u64 = 20;
    let refusal = Refusal::last_word("no room\n").unwrap();
    let (mut listener, address) = with_limits(Limits::new().reserve_descriptor(true).refusal(refusal));
    let handle = listener.handle();
    let mut clients = Vec::new();
    for _ in 0..WAITING {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum: before.maximum }).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();

    let accepting = tokio::spawn(async move {
        let connection = next(&mut listener).await;
        (listener, connection)
    });
    for client in &mut clients {
        let mut words = Vec::new();
        within(client.read_to_end(&mut words)).await.unwrap();
        assert_eq!(words, b"no room\n");
    }
    let statistics = handle.statistics();
    assert_eq!(statistics.refused_for(RefusalReason::NoDescriptors), WAITING);
    assert_eq!((statistics.accepted, statistics.episodes, handle.state()), (0, 1, ServerState::Exhausted));
    assert!(File::open("/dev/null").is_err(), "the reserve is kept, not freed");

    drop(taken);
    setrlimit(Resource::Nofile, before).unwrap();
    let _late = within(TcpStream::connect(address)).await.unwrap();
    let (listener, connection) = within(accepting).await.unwrap();
    assert_eq!(listener.handle().state(), ServerState::Listening);
    drop(connection);
    assert_eq!(handle.statistics().open, 0);
}
