//! One run: a server, its clients, and the steps.

use crate::chance::Chance;
use crate::checks::Known;
use crate::faults::Fault;
use crate::step::{Over, Step};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;
use vestibule::simulation::{SimulatedClient, SimulatedNetwork};
use vestibule::{
    DrainOptions, EventLoop, HostAddress, Leftover, Limits, OverLimit, Refusal, ServerState, TcpServer,
    TcpSocket,
};

pub(crate) const PORT: u16 = 7777;
/// So many steps are taken at least, and more until all faults have happened.
const STEPS: usize = 100;
/// No run has more steps before it is brought to its end.
const MOST_STEPS: usize = 400;
/// So many turns are enough for anything.
const ENOUGH: usize = 2_000;

/// What the server's signals told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) new_connections: Cell<u64>,
    pub(crate) errors: Cell<u64>,
    pub(crate) refused: Cell<u64>,
    pub(crate) drained: Cell<u64>,
    pub(crate) states: RefCell<Vec<ServerState>>,
}

/// A client that has not seen its end.
pub(crate) struct Client {
    /// How many connected before it.
    pub(crate) number: u64,
    pub(crate) port: u16,
    pub(crate) far: SimulatedClient,
}

pub(crate) struct Run<'a> {
    pub(crate) network: &'a SimulatedNetwork,
    pub(crate) event_loop: EventLoop,
    pub(crate) server: TcpServer,
    pub(crate) faults: Vec<Fault>,
    pub(crate) told: Rc<Told>,
    pub(crate) clients: Vec<Client>,
    pub(crate) sockets: Vec<TcpSocket>,
    pub(crate) served: HashSet<u16>,
    pub(crate) known: Known,
    chance: Chance,
    steps: Vec<Step>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(network: &'a SimulatedNetwork, seed: u64, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.nth);
        faults.dedup_by_key(|fault| fault.nth);
        for fault in &faults {
            network.fail_accept(fault.nth, fault.errno);
        }
        let event_loop = network.event_loop();
        let known = Known::new(&event_loop);
        let server = TcpServer::new(&event_loop);
        let told = Rc::new(Told::default());
        let count = |of: fn(&Told) -> &Cell<u64>| {
            let told = Rc::clone(&told);
            move || of(&told).set(of(&told).get() + 1)
        };
        let (new, error) = (count(|told| &told.new_connections), count(|told| &told.errors));
        let (refused, drained) = (count(|told| &told.refused), count(|told| &told.drained));
        server.new_connection().connect(move |_| new());
        server.accept_error().connect(move |_, _| error());
        server.refused().connect(move |_, _| refused());
        server.drained().connect(move |_, _| drained());
        let states = Rc::clone(&told);
        server.state_changed().connect(move |_, state| states.states.borrow_mut().push(state));
        server.listen(HostAddress::ANY, PORT).unwrap();
        Self {
            network,
            event_loop,
            server,
            faults,
            told,
            clients: Vec::new(),
            sockets: Vec::new(),
            served: HashSet::new(),
            known,
            chance: Chance::new(seed),
            steps: Vec::with_capacity(MOST_STEPS),
        }
    }

    /// The whole run; tells how many steps it took.
    pub(crate) fn all(mut self) -> u64 {
        while self.steps.len() < STEPS || (!self.all_have_happened() && self.steps.len() < MOST_STEPS) {
            let step = Step::draw(&mut self.chance);
            self.step(step);
        }
        self.finish();
        self.steps.len() as u64
    }

    fn all_have_happened(&self) -> bool {
        self.faults.last().is_none_or(|last| self.network.accepts() >= last.nth)
    }

    fn step(&mut self, step: Step) {
        self.steps.push(step);
        self.before(step);
        self.take_step(step);
        self.check(step);
        if self.known.retry_now {
            self.step(Step::Turn(0));
        }
    }

    fn take_step(&mut self, step: Step) {
        let milliseconds = Duration::from_millis;
        match step {
            Step::Connect(number) => (0..number).for_each(|_| self.connect()),
            Step::ClientSends(_) | Step::ClientEnds(_) | Step::ClientResets(_) | Step::ClientLeaves(_) => {
                self.client_step(step);
            }
            Step::Take => self.take(),
            Step::TakeAll => {
                while self.server.has_pending_connections() {
                    self.take();
                }
            }
            Step::Pause => {
                self.server.pause_accepting();
                self.known.paused = true;
            }
            Step::Resume => {
                self.server.resume_accepting();
                self.known.paused = false;
            }
            Step::PendingLimit(limit) => {
                self.server.set_max_pending_connections(limit);
                self.known.pending_limit = limit;
            }
            Step::Limit(limit, over) => self.limit(limit, over),
            Step::Descriptors(left) => {
                self.network.set_descriptors(left);
                self.known.descriptors = left.map(|left| left + self.really_open());
            }
            Step::Drain { milliseconds: deadline, refuses } => {
                if self.server.state() != ServerState::Draining {
                    self.known.paused = false; // a drain ends a pause
                    self.known.drains += 1;
                }
                let leftover = if refuses { Leftover::Refuse } else { Leftover::Serve };
                self.server.drain_with(DrainOptions::new(milliseconds(deadline)).leftover(leftover));
            }
            Step::Close => self.server.close(),
            Step::Listen => {
                let may = !self.server.is_listening() && self.server.state() != ServerState::Draining;
                assert_eq!(self.server.listen(HostAddress::ANY, PORT).is_ok(), may);
            }
            Step::Turn(time) => self.event_loop.process_events(Some(milliseconds(time))).unwrap(),
            Step::Wait(time) => self.wait(milliseconds(time)),
            Step::Pass(time) => self.network.pass(milliseconds(time)),
            _ => self.socket_step(step),
        }
    }

    fn connect(&mut self) {
        if let Ok(far) = self.network.connect(PORT) {
            let port = far.local_addr().unwrap().port();
            self.clients.push(Client { number: self.known.connected, port, far });
            self.known.connected += 1;
        } else {
            assert!(!self.server.is_listening(), "a client was refused by the network");
        }
    }

    fn client_step(&mut self, step: Step) {
        match step {
            Step::ClientSends(which) if which < self.clients.len() => {
                let _ = self.clients[which].far.write(b"hello");
            }
            Step::ClientEnds(which) if which < self.clients.len() => self.clients[which].far.shut_down(),
            Step::ClientResets(which) if which < self.clients.len() => self.clients.remove(which).far.reset(),
            Step::ClientLeaves(which) if which < self.clients.len() => drop(self.clients.remove(which)),
            _ => {}
        }
    }

    fn take(&mut self) {
        if let Some(socket) = self.server.next_pending_connection() {
            self.served.insert(socket.peer_port());
            self.sockets.push(socket);
        }
    }

    fn socket_step(&mut self, step: Step) {
        let (Step::Read(which)
        | Step::Write(which)
        | Step::Disconnect(which)
        | Step::Abort(which)
        | Step::Drop(which)
        | Step::HandBack(which)) = step
        else {
            return;
        };
        let Some(socket) = self.sockets.get(which) else { return };
        match step {
            Step::Read(_) => drop(socket.read_all()),
            Step::Write(_) => drop(socket.write(b"welcome")),
            Step::Disconnect(_) => socket.disconnect_from_host(),
            Step::Abort(_) => socket.abort(),
            Step::Drop(_) => drop(self.sockets.remove(which)),
            _ => {
                let socket = self.sockets.remove(which);
                if let Err(back) = self.server.add_pending_connection(socket) {
                    drop(back);
                } else {
                    self.known.handed_back += 1;
                }
            }
        }
    }

    fn limit(&mut self, limit: Option<usize>, over: Over) {
        let refusal = match over {
            Over::Waits => None,
            Over::Closed => Some(Refusal::Close),
            Over::Reset => Some(Refusal::Reset),
            Over::GetsAWord => Some(Refusal::last_word("421 no\r\n").unwrap()),
        };
        let limits = limit.map_or(Limits::new(), |limit| Limits::new().max_connections(limit));
        let over = refusal.clone().map_or(OverLimit::Wait, OverLimit::Refuse);
        self.server.set_limits(limits.over_limit(over));
        (self.known.limit, self.known.refuses) = (limit, refusal.is_some());
        self.known.gives_a_word = matches!(refusal, Some(Refusal::LastWord(_)));
    }

    fn wait(&mut self, time: Duration) {
        let (pending, listening) = (self.server.has_pending_connections(), self.server.is_listening());
        let before = self.told.new_connections.get();
        match self.server.wait_for_new_connection(Some(time)) {
            Ok(found) => assert_eq!(found, pending || self.told.new_connections.get() > before),
            Err(error) => assert!(!pending && !listening, "{error}"),
        }
    }

    /// All faults are over, and nothing is limited any more: everybody who is left is served.
    fn finish(&mut self) {
        self.step(Step::Resume);
        self.step(Step::Limit(None, Over::Waits));
        self.step(Step::PendingLimit(usize::MAX));
        self.step(Step::Descriptors(None));
        for _ in 0..ENOUGH {
            if self.all_have_happened() {
                break;
            }
            self.step(Step::Listen);
            self.step(Step::Connect(1));
            self.step(Step::Turn(600));
            self.step(Step::TakeAll);
            self.step(Step::Drop(0));
        }
        assert!(self.all_have_happened(), "accepting stands still");
        while self.server.state() == ServerState::Draining {
            self.step(Step::Turn(600));
        }
        self.step(Step::Listen);
        let first = self.first_in_queue();
        self.step(Step::Connect(3));
        let last: Vec<_> = self.clients.iter().filter(|it| it.number >= first).map(|it| it.port).collect();
        for _ in 0..ENOUGH {
            if self.network.queued(PORT) == 0 {
                break;
            }
            self.step(Step::Turn(600));
        }
        self.step(Step::TakeAll);
        assert!(last.len() >= 3 && last.iter().all(|port| self.served.contains(port)), "forgotten");
        assert_eq!(self.server.state(), ServerState::Listening);
        while !self.sockets.is_empty() {
            self.step(Step::Drop(0));
        }
        self.step(Step::Close);
        self.event_loop.finish(Duration::from_secs(60)).unwrap();
        self.step(Step::Turn(0));
        self.check_nothing_is_left();
    }
}

/// What has led to a failure.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let line = format!("{:?}\n{:?}\n", self.faults, self.steps);
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        }
    }
}
