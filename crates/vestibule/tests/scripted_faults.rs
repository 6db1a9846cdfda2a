//! Each fault that a simulated network can be told to have does what its documentation says, and servers and sockets
//! get over it as over a real one: what breaks is told once, everything else goes on, and nothing is left behind.
#![cfg(target_os = "linux")] // the numbers of errors are its own
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

#[path = "scripted_faults/calls.rs"]
mod calls;
#[path = "scripted_faults/peers.rs"]
mod peers;
#[path = "scripted_faults/replay.rs"]
mod replay;
#[path = "scripted_faults/time.rs"]
mod time;

use std::time::Duration;
use support::Log;
use vestibule::simulation::{SimulatedClient, SimulatedNetwork};
use vestibule::{EventLoop, HostAddress, SocketState, TcpServer, TcpSocket};

const PORT: u16 = 7777;
/// No time at all.
const NOW: Option<Duration> = Some(Duration::ZERO);
/// So many turns are enough for anything that a test does.
const ENOUGH: usize = 20_000;

/// A network with a server, one connection of it, and what its socket tells.
struct Scene {
    network: SimulatedNetwork,
    event_loop: EventLoop,
    server: TcpServer,
    socket: TcpSocket,
    client: SimulatedClient,
    log: Log,
}

impl Scene {
    fn new(seed: u64) -> Self {
        Self::on(SimulatedNetwork::new(seed).unwrap())
    }

    fn on(network: SimulatedNetwork) -> Self {
        let event_loop = network.event_loop();
        let server = TcpServer::new(&event_loop);
        server.listen(HostAddress::ANY, PORT).unwrap();
        let client = network.connect(PORT).unwrap();
        event_loop.process_events(NOW).unwrap();
        let (socket, log) = (server.next_pending_connection().unwrap(), Log::default());
        log.follow(&socket);
        Self { network, event_loop, server, socket, client, log }
    }

    fn turn(&self) {
        self.event_loop.process_events(NOW).unwrap();
    }

    /// Time passes in these turns, as far as nothing happens.
    fn turns_until(&self, mut holds: impl FnMut() -> bool) {
        for _ in 0..ENOUGH {
            if holds() {
                return;
            }
            self.event_loop.process_events(Some(Duration::from_millis(1))).unwrap();
        }
        panic!("it never came to hold: {}", self.log.take());
    }

    fn is_over(&self) -> bool {
        self.socket.state() == SocketState::Unconnected
    }

    /// The server serves others, and nothing is left of anybody.
    fn finish(self) {
        let Self { network, event_loop, server, socket, client, .. } = self;
        let another = network.connect(PORT).unwrap();
        for _ in 0..4 {
            event_loop.process_events(NOW).unwrap();
        }
        let other = server.next_pending_connection().unwrap();
        other.write(b"welcome");
        other.disconnect_from_host();
        for _ in 0..20 {
            event_loop.process_events(NOW).unwrap();
        }
        assert_eq!(another.read().unwrap(), b"welcome");
        assert!(another.has_ended());
        drop((socket, other, client, another));
        assert_eq!(event_loop.finish(Duration::from_secs(60)).unwrap(), 0);
        assert_eq!((server.statistics().open, network.open_connections()), (0, 0));
    }
}

/// How often a word stands in a log.
fn times(log: &str, word: &str) -> usize {
    log.split(' ').filter(|it| *it == word).count()
}

/// Bytes of which no two neighbourhoods are alike.
#[allow(clippy::cast_possible_truncation, reason = "the lowest byte is wanted")]
fn pattern(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}
