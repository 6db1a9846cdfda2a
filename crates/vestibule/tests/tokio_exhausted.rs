//! Without descriptors under tokio: no CPU, one episode, and service again at once. One test: the limit is the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use vestibule::ServerState;
use vestibule::tokio::{Listener, Options};

const LIMIT: Duration = Duration::from_secs(20);

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// 1. No descriptor is left, and clients wait. 2. For half a second the listener is starved: it costs next to nothing. 3. One of
/// its own connections ends: the next client is let in at once, not after a pause.
#[tokio::test]
async fn a_lack_of_descriptors_costs_nothing_and_ends_by_itself() {
    let mut listener = Listener::bind("127.0.0.1:0", Options::new()).unwrap();
    let (address, handle) = (listener.local_addrs()[0], listener.handle());
    let _first_client = TcpStream::connect(address).await.unwrap();
    let first = timeout(LIMIT, listener.accept()).await.unwrap().unwrap().unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum: limit.maximum }).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();

    let before = cpu_time();
    assert!(timeout(Duration::from_millis(500), listener.accept()).await.is_err(), "nobody can be let in");
    let used = cpu_time().saturating_sub(before);
    assert!(used < Duration::from_millis(25), "{used:?} of CPU in half a second");
    assert_eq!((handle.state(), handle.statistics().episodes), (ServerState::Exhausted, 1));

    // In a task of its own, which is not the first to be woken.
    let waiting = tokio::spawn(async move {
        let next = timeout(LIMIT, listener.accept()).await.unwrap();
        (next, Instant::now(), listener)
    });
    tokio::time::sleep(Duration::from_millis(100)).await; // by now the next try is half a second away
    drop(first);
    let ended = Instant::now();
    let (next, served, mut listener) = waiting.await.unwrap();
    assert!(next.unwrap().is_some());
    assert!(
        served - ended < Duration::from_millis(100),
        "{:?} after the descriptor was there",
        served - ended
    );
    assert_eq!(handle.state(), ServerState::Listening);
    drop(taken);
    for _ in 0..2 {
        timeout(LIMIT, listener.accept()).await.unwrap().unwrap().unwrap();
    }
    let statistics = handle.statistics();
    assert_eq!((statistics.accepted, statistics.episodes), (4, 1));
    assert!(statistics.errors.resources >= 2 && statistics.exhausted >= Duration::from_millis(500));
}
