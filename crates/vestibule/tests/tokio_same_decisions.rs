//! One script, two faces: a server on the library's own loop and a listener under tokio decide alike, whatever happens in which
//! order.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use proptest::prelude::*;
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use support::settle;
use vestibule::tokio::{Connection, Listener, Options};
use vestibule::{
    EventLoop, HostAddress, Limits, OverLimit, Refusal, ServerState, Statistics, TcpServer, TcpSocket,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Connect,
    /// The server ends the connection that it has longest.
    End,
    /// The client that came last goes, accepted or not.
    Leave,
    Pause,
    Resume,
    Limit(usize, bool),
    SourceLimit(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Connect),
        3 => Just(Step::End),
        1 => Just(Step::Leave),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        2 => (0_usize..5, any::<bool>()).prop_map(|(most, refuse)| Step::Limit(most, refuse)),
        1 => (1_u32..5).prop_map(Step::SourceLimit),
    ]
}

/// What a face has decided so far.
#[derive(Debug, PartialEq, Eq)]
struct Decided {
    accepted: u64,
    refused: Vec<u64>,
    open: u64,
    state: ServerState,
}

fn decided(statistics: &Statistics, state: ServerState) -> Decided {
    let Statistics { accepted, refused, open, .. } = *statistics;
    Decided { accepted, refused: refused.to_vec(), open, state }
}

/// A face with its clients.
trait Face {
    fn address(&self) -> SocketAddr;
    fn end(&mut self);
    fn set(&mut self, step: Step, limits: Limits);
    /// Until nothing more happens by itself.
    fn settle(&mut self) -> Decided;
}

struct OnLoop {
    event_loop: EventLoop,
    server: TcpServer,
    open: VecDeque<TcpSocket>,
}

impl Face for OnLoop {
    fn address(&self) -> SocketAddr {
        self.server.local_addr().unwrap()
    }

    fn end(&mut self) {
        if let Some(socket) = self.open.pop_front() {
            socket.abort();
        }
    }

    fn set(&mut self, step: Step, limits: Limits) {
        match step {
            Step::Pause => self.server.pause_accepting(),
            Step::Resume => self.server.resume_accepting(),
            _ => self.server.set_limits(limits),
        }
    }

    fn settle(&mut self) -> Decided {
        settle(&self.event_loop);
        for socket in std::iter::from_fn(|| self.server.next_pending_connection()) {
            socket.set_half_open(true); // here as there: the server alone ends connections
            self.open.push_back(socket);
        }
        settle(&self.event_loop);
        decided(&self.server.statistics(), self.server.state())
    }
}

struct UnderTokio {
    runtime: tokio::runtime::Runtime,
    listener: Listener,
    open: VecDeque<Connection>,
}

impl Face for UnderTokio {
    fn address(&self) -> SocketAddr {
        self.listener.local_addrs()[0]
    }

    fn end(&mut self) {
        let _in_runtime = self.runtime.enter();
        drop(self.open.pop_front());
    }

    fn set(&mut self, step: Step, limits: Limits) {
        let handle = self.listener.handle();
        drop(match step {
            Step::Pause => handle.pause(),
            Step::Resume => handle.resume(),
            _ => handle.set_limits(limits),
        });
    }

    fn settle(&mut self) -> Decided {
        let Self { runtime, listener, open } = self;
        runtime.block_on(async {
            let quiet = Duration::from_millis(3);
            while let Ok(connection) = tokio::time::timeout(quiet, listener.accept()).await {
                open.extend(connection.unwrap());
            }
        });
        let handle = self.listener.handle();
        decided(&handle.statistics(), handle.state())
    }
}

fn play(face: &mut dyn Face, steps: &[Step]) -> Vec<Decided> {
    let (mut limits, mut clients) = (Limits::new(), Vec::new());
    let mut decided = vec![face.settle()];
    for step in steps {
        match *step {
            Step::Connect => clients.push(TcpStream::connect(face.address()).unwrap()),
            Step::End => face.end(),
            Step::Leave => drop(clients.pop()),
            Step::Limit(most, refuse) => {
                let over = if refuse { OverLimit::Refuse(Refusal::Close) } else { OverLimit::Wait };
                limits = limits.max_connections(most).over_limit(over);
            }
            Step::SourceLimit(most) => limits = limits.max_connections_per_source(most),
            Step::Pause | Step::Resume => {}
        }
        if !matches!(step, Step::Connect | Step::End | Step::Leave) {
            face.set(*step, limits.clone());
        }
        decided.push(face.settle());
    }
    decided
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    /// After each step both have let in, refused and kept the same.
    #[test]
    fn both_faces_decide_alike(steps in prop::collection::vec(step(), 1..25)) {
        let event_loop = EventLoop::new().unwrap();
        let server = TcpServer::new(&event_loop);
        server.set_max_pending_connections(1_000);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        let on_loop = play(&mut OnLoop { event_loop, server, open: VecDeque::new() }, &steps);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = Listener::bind("127.0.0.1:0", Options::new()).unwrap();
        let under_tokio = play(&mut UnderTokio { runtime, listener, open: VecDeque::new() }, &steps);
        prop_assert_eq!(on_loop, under_tokio);
    }
}
