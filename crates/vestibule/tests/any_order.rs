//! Whatever clients and the program do, in any order: limits hold, bytes arrive whole and in order, each connection is
//! told once that it is over, and nothing is left behind. On the simulation; a failing case prints its steps.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use vestibule::simulation::{SimulatedClient, SimulatedNetwork};
use vestibule::{EventLoop, HostAddress, TcpServer, TcpSocket};

const PORT: u16 = 7777;

#[derive(Clone, Copy, Debug)]
enum Step {
    Connect,
    ClientSends(usize, usize),
    ClientEnds(usize),
    ClientResets(usize),
    ClientLeaves(usize),
    Take,
    Write(usize, usize),
    Read(usize, usize),
    Flush(usize),
    Disconnect(usize),
    Abort(usize),
    Drop(usize),
    GiveToServer(usize),
    GiveBack(usize),
    Pause,
    Resume,
    Limit(usize),
    Relisten,
    Turn,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let which = 0_usize..6;
    prop_oneof![
        4 => Just(Connect),
        4 => (which.clone(), 0_usize..90_000).prop_map(|(who, number)| ClientSends(who, number)),
        1 => which.clone().prop_map(ClientEnds),
        1 => which.clone().prop_map(ClientResets),
        1 => which.clone().prop_map(ClientLeaves),
        5 => Just(Take),
        4 => (which.clone(), 0_usize..90_000).prop_map(|(who, number)| Write(who, number)),
        3 => (which.clone(), 0_usize..90_000).prop_map(|(who, number)| Read(who, number)),
        1 => which.clone().prop_map(Flush),
        1 => which.clone().prop_map(Disconnect),
        1 => which.clone().prop_map(Abort),
        1 => which.clone().prop_map(Drop),
        1 => which.clone().prop_map(GiveToServer),
        1 => which.prop_map(GiveBack),
        1 => Just(Pause),
        1 => Just(Resume),
        1 => (0_usize..5).prop_map(Limit),
        1 => Just(Relisten),
        6 => Just(Turn),
        2 => Just(Wait),
    ]
}

/// What is known of one connection.
#[derive(Default)]
struct Known {
    sent_by_client: usize,
    read_by_server: usize,
    written: usize,
    received: usize,
    /// Whether something else than a graceful end may have cut it short.
    cut: bool,
    over: Rc<Cell<u32>>,
    followed: bool,
}

/// The byte at a place of the stream from or to a port.
fn byte(port: u16, at: usize) -> u8 {
    ((at + usize::from(port)).wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0]
}

fn bytes(port: u16, from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| byte(port, at)).collect()
}

struct Run {
    network: SimulatedNetwork,
    event_loop: EventLoop,
    server: TcpServer,
    clients: Vec<(u16, SimulatedClient)>,
    sockets: Vec<TcpSocket>,
    known: HashMap<u16, Known>,
    accepted: Rc<RefCell<usize>>,
    taken: usize,
    limit: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let network = SimulatedNetwork::new(seed).unwrap();
        let event_loop = network.event_loop();
        let server = TcpServer::new(&event_loop);
        let accepted = Rc::new(RefCell::new(0));
        let count = Rc::clone(&accepted);
        server.new_connection().connect(move |_| *count.borrow_mut() += 1);
        server.listen(HostAddress::ANY, PORT).unwrap();
        let (clients, sockets, known) = (Vec::new(), Vec::new(), HashMap::new());
        Self { network, event_loop, server, clients, sockets, known, accepted, taken: 0, limit: 30 }
    }

    fn known(&mut self, port: u16) -> &mut Known {
        self.known.entry(port).or_default()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Connect => {
                let client = self.network.connect(PORT).unwrap();
                let port = client.local_addr().unwrap().port();
                self.clients.push((port, client));
            }
            Step::ClientSends(which, number) => {
                let Some((port, client)) = self.clients.get(which) else { return };
                let known = self.known.entry(*port).or_default();
                let sent = client.write(&bytes(*port, known.sent_by_client, number)).unwrap_or(0);
                known.sent_by_client += sent;
            }
            Step::ClientEnds(which) => {
                if let Some((_, client)) = self.clients.get(which) {
                    client.shut_down();
                }
            }
            Step::ClientResets(which) if which < self.clients.len() => self.clients.remove(which).1.reset(),
            Step::ClientLeaves(which) if which < self.clients.len() => drop(self.clients.remove(which)),
            Step::Take => self.take(),
            Step::Pause => self.server.pause_accepting(),
            Step::Resume => self.server.resume_accepting(),
            Step::Limit(limit) => {
                self.limit = limit;
                self.server.set_max_pending_connections(limit);
            }
            Step::Relisten => self.relisten(),
            Step::Turn => self.turn(),
            Step::Wait => {
                let before = *self.accepted.borrow();
                let pending = self.server.has_pending_connections();
                let found = self.server.wait_for_new_connection(Some(Duration::from_millis(1))).unwrap();
                assert_eq!(found, pending || *self.accepted.borrow() > before);
            }
            other => self.socket_step(other),
        }
    }

    fn turn(&mut self) {
        let before = *self.accepted.borrow() - self.taken;
        self.event_loop.process_events(Some(Duration::from_millis(1))).unwrap();
        let after = *self.accepted.borrow() - self.taken;
        assert!(after <= before.max(self.limit), "{after} pending, {} allowed", self.limit);
        self.read_clients();
    }

    fn take(&mut self) {
        let Some(socket) = self.server.next_pending_connection() else { return };
        self.taken += 1;
        let known = self.known(socket.peer_port());
        let followed = std::mem::replace(&mut known.followed, true);
        let over = Rc::clone(&known.over);
        if followed {
            return self.sockets.push(socket);
        }
        let gone = Rc::clone(&over);
        socket.ready_read().connect(move |_| assert_eq!(over.get(), 0, "told after its end"));
        socket.disconnected().connect(move |_| gone.set(gone.get() + 1));
        self.sockets.push(socket);
    }

    fn relisten(&mut self) {
        // Pending ones end gracefully; the queue of the old listener is reset.
        self.server.close();
        self.taken = *self.accepted.borrow();
        self.server.listen(HostAddress::ANY, PORT).unwrap();
    }

    fn socket_step(&mut self, step: Step) {
        let (Step::Write(which, _)
        | Step::Read(which, _)
        | Step::Flush(which)
        | Step::Disconnect(which)
        | Step::Abort(which)
        | Step::Drop(which)
        | Step::GiveToServer(which)
        | Step::GiveBack(which)) = step
        else {
            return;
        };
        let Some(socket) = self.sockets.get(which) else { return };
        let port = socket.peer_port();
        let known = self.known.entry(port).or_default();
        match step {
            Step::Write(_, number) => known.written += socket.write(&bytes(port, known.written, number)),
            Step::Read(_, number) => {
                let mut read = vec![0; number];
                let length = socket.read(&mut read);
                if port != 0 {
                    assert!(read[..length] == bytes(port, known.read_by_server, length)[..]);
                    known.read_by_server += length;
                }
            }
            Step::Flush(_) => drop(socket.flush()),
            Step::Disconnect(_) => socket.disconnect_from_host(),
            Step::Abort(_) => {
                known.cut = true;
                socket.abort();
            }
            Step::Drop(_) => drop(self.sockets.remove(which)),
            Step::GiveToServer(_) => self.sockets.remove(which).set_parent(&self.server),
            _ if socket.state() == vestibule::SocketState::Connected => {
                let socket = self.sockets.remove(which);
                if self.server.add_pending_connection(socket).is_ok() {
                    *self.accepted.borrow_mut() += 1;
                }
            }
            _ => {}
        }
    }

    fn read_clients(&mut self) {
        for (port, client) in &self.clients {
            let known = self.known.entry(*port).or_default();
            match client.read() {
                Ok(came) => {
                    assert!(came == bytes(*port, known.received, came.len()), "wrong bytes arrived");
                    known.received += came.len();
                }
                Err(_) => known.cut = true,
            }
        }
    }

    /// Everything ends gracefully: what was written has arrived, and nothing is left.
    fn finish(mut self) {
        self.server.resume_accepting();
        self.sockets.clear();
        let (server, event_loop) = (&self.server, &self.event_loop);
        server.close();
        let left = std::mem::replace(&mut self.server, TcpServer::new(event_loop));
        drop(left);
        for _ in 0..400 {
            self.turn();
        }
        for (port, client) in &self.clients {
            let known = &self.known[port];
            if !known.cut {
                assert_eq!(known.received, known.written, "bytes were lost");
                assert!(client.has_ended(), "no end");
            }
        }
        assert_eq!(self.event_loop.finish(Duration::from_secs(60)).unwrap(), 0);
        assert!(self.known.values().all(|known| known.over.get() <= 1), "told twice");
        self.clients.clear();
        assert_eq!(self.network.open_connections(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_is_left(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..80)) {
        let mut run = Run::new(seed);
        for step in steps {
            run.step(step);
        }
        run.finish();
    }
}
