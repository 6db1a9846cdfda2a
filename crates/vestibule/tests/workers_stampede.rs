//! Clients and workers are killed at random, for a while; then every counter is at zero and no descriptor is left.
//! `VESTIBULE_STAMPEDE=SECONDS` says for how long; `.ci/run` runs it.
//!
//! 1. Threads connect, echo, reset, go away in the middle, or tell their worker to die.
//! 2. Others pause and resume, change limits, and have workers come and leave.
//! 3. All stop. What is open ends; then limits, statistics and descriptors are looked at.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test, which tells what it counts"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use vestibule::{Limits, QueueSharing, ServerState, TcpServer, Workers, WorkersHandle};

const LIMIT: Duration = Duration::from_secs(20);
const MOST: usize = 40;

fn serve(server: &TcpServer) {
    server.new_connection().connect(|server| {
        while let Some(socket) = server.next_pending_connection() {
            socket.ready_read().connect(|socket| {
                let bytes = socket.read_all();
                assert!(bytes != b"die!", "as it was told");
                socket.write(&bytes);
            });
            socket.set_parent(server);
        }
    });
}

/// Draws numbers that differ from run to run of the loop, and not from run to run of the test.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// One client; true when it was answered.
fn client(address: SocketAddr, chance: &mut Chance) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, LIMIT) else { return false };
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    match chance.below(100) {
        0 => stream.write_all(b"die!").is_ok() && stream.read(&mut [0; 8]).is_ok_and(|length| length > 0),
        1..20 => false,                                      // gone without a word
        20..30 => stream.write_all(&[7; 1000]).is_err(),     // gone with the answer unread: a reset
        30..40 => stream.shutdown(Shutdown::Write).is_err(), // only an end
        _ => stream.write_all(b"hello").is_ok() && stream.read(&mut [0; 8]).is_ok_and(|length| length > 0),
    }
}

fn disturb(handle: &WorkersHandle, chance: &mut Chance) {
    match chance.below(4) {
        0 => handle.set_workers(1 + usize::try_from(chance.below(4)).unwrap(), Duration::ZERO).unwrap(),
        1 => {
            let limit = MOST / 2 + usize::try_from(chance.below(MOST as u64 / 2)).unwrap();
            handle.set_limits(Limits::new().max_connections(limit)).wait(Some(LIMIT)).unwrap();
        }
        _ => {
            handle.pause().wait(Some(LIMIT)).unwrap();
            std::thread::sleep(Duration::from_millis(chance.below(5)));
            handle.resume().wait(Some(LIMIT)).unwrap();
        }
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn stampede(sharing: QueueSharing, lasting: Duration) {
    let before = descriptors();
    let limits = Limits::new().max_connections(MOST);
    let plan = Workers::new(2).sharing(sharing).contain_panics(false).limits(limits);
    let group = plan.bind("127.0.0.1:0", serve).unwrap();
    let (address, handle) = (group.local_addr(), group.handle());
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (1..=6)
        .map(|seed| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut chance = Chance(seed * 0x9E37_79B9);
                while !stop.load(Ordering::Relaxed) {
                    answered.fetch_add(client(address, &mut chance).into(), Ordering::Relaxed);
                }
            })
        })
        .collect();
    let (end, mut chance) = (Instant::now() + lasting, Chance(0xBEEF));
    while Instant::now() < end {
        disturb(&handle, &mut chance);
        assert!(handle.statistics().open <= MOST as u64);
        std::thread::sleep(Duration::from_millis(chance.below(20)));
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let end = Instant::now() + LIMIT;
    while handle.statistics().open > 0 {
        assert!(Instant::now() < end, "connections are left: {}", handle.statistics());
        std::thread::sleep(Duration::from_millis(5));
    }
    // Whoever comes now is served.
    let mut last = TcpStream::connect(address).unwrap();
    last.write_all(b"hello").unwrap();
    last.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(last.read(&mut [0; 8]).unwrap(), 5);
    drop(last);
    let statistics = handle.statistics();
    println!(
        "{sharing:?}: {} answered, {} workers died; {statistics}",
        answered.load(Ordering::Relaxed),
        handle.losses()
    );
    assert!(answered.load(Ordering::Relaxed) > 0 && handle.losses() > 0);
    assert!(statistics.most_open <= MOST as u64);
    let report = handle.drain(LIMIT).wait(Some(LIMIT)).unwrap();
    assert_eq!(report.cut, 0);
    group.join().unwrap();
    assert_eq!((handle.state(), handle.statistics().open), (ServerState::Closed, 0));
    assert_eq!(descriptors(), before, "no descriptor is left");
}

#[test]
#[ignore = "takes its time"]
fn counters_and_descriptors_survive_a_stampede_of_clients_and_workers() {
    let seconds = std::env::var("VESTIBULE_STAMPEDE").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    // The panics are wanted, and their messages are not.
    std::panic::set_hook(Box::new(|_| {}));
    for sharing in [QueueSharing::OneQueue, QueueSharing::ReusePort] {
        stampede(sharing, Duration::from_secs(seconds));
    }
}
