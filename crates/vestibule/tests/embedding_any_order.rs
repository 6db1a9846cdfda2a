//! Whatever a host does between the turns of an embedded loop, in any order: the descriptor is never silent when a turn
//! is needed, and falls silent afterwards. On the system; a failing case prints its steps.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::{BlackHole, Client, LIMIT, Refusing, World};
use vestibule::{EventLoop, HostAddress, Sender, SocketState, TcpServer, TcpSocket};

/// Every time of a case is shorter than this.
const QUIET: Duration = Duration::from_millis(8);
const SOON: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug)]
enum Step {
    Connect(&'static str, usize),
    Take,
    Write(usize, usize),
    Flush(usize),
    Read(usize, usize),
    ReadBufferSize(usize, usize),
    HalfOpen(usize, bool),
    Disconnect(usize),
    Abort(usize),
    Drop(usize),
    GiveToServer(usize),
    GiveBack(usize),
    IntoStd(usize),
    Wait(usize, usize),
    InTheNextSlot(InSlot),
    Pause,
    Resume,
    MaxPending(usize),
    Relisten,
    Send,
    Timer(u64),
    Clients(usize),
    ClientSends(usize, usize),
    ClientReads(usize),
    ClientEnds(usize),
    ClientResets(usize),
}

/// What the next slot does, once.
#[derive(Clone, Copy, Debug, Default)]
enum InSlot {
    #[default]
    Nothing,
    Panic,
    Turn,
    Wait,
    Write,
    Disconnect,
    Abort,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let which = || 0_usize..8;
    let size = || prop::sample::select(vec![1, 1_000, 20_000, 300_000, 3_000_000]);
    let in_slot =
        vec![InSlot::Panic, InSlot::Turn, InSlot::Wait, InSlot::Write, InSlot::Disconnect, InSlot::Abort];
    let one = prop_oneof![
        4 => (prop::sample::select(vec!["127.0.0.1", "localhost"]), 0_usize..4).prop_map(|(host, to)| Connect(host, to)),
        3 => Just(Take),
        3 => (which(), size()).prop_map(|(who, size)| Write(who, size)),
        1 => which().prop_map(Flush),
        2 => (which(), size()).prop_map(|(who, size)| Read(who, size)),
        1 => (which(), size()).prop_map(|(who, size)| ReadBufferSize(who, size)),
        1 => (which(), any::<bool>()).prop_map(|(who, half_open)| HalfOpen(who, half_open)),
        1 => which().prop_map(Disconnect),
        1 => which().prop_map(Abort),
        1 => which().prop_map(Drop),
        1 => which().prop_map(GiveToServer),
        1 => which().prop_map(GiveBack),
        1 => which().prop_map(IntoStd),
    ];
    let other = prop_oneof![
        2 => (which(), 0_usize..5).prop_map(|(who, wait)| Wait(who, wait)),
        3 => prop::sample::select(in_slot).prop_map(InTheNextSlot),
        1 => Just(Pause),
        1 => Just(Resume),
        1 => (1_usize..40).prop_map(MaxPending),
        1 => Just(Relisten),
        1 => Just(Send),
        1 => (0_u64..3).prop_map(Timer),
        2 => (1_usize..12).prop_map(Clients),
        2 => (which(), size()).prop_map(|(who, size)| ClientSends(who, size)),
        2 => which().prop_map(ClientReads),
        1 => which().prop_map(ClientEnds),
        1 => which().prop_map(ClientResets),
    ];
    prop_oneof![one, other]
}

/// What slots share.
#[derive(Default)]
struct Told {
    count: Cell<usize>,
    next: Cell<InSlot>,
}

impl Told {
    fn told(&self, event_loop: Option<&EventLoop>, socket: Option<&TcpSocket>) {
        self.count.set(self.count.get() + 1);
        match (self.next.take(), event_loop, socket) {
            (InSlot::Panic, ..) => panic!("slot"),
            (InSlot::Turn, Some(event_loop), _) => _ = event_loop.process_events(Some(Duration::ZERO)),
            (InSlot::Wait, _, Some(socket)) => _ = socket.wait_for_ready_read(Some(Duration::ZERO)),
            (InSlot::Write, _, Some(socket)) => _ = socket.write(&vec![1; 300_000]),
            (InSlot::Disconnect, _, Some(socket)) => socket.disconnect_from_host(),
            (InSlot::Abort, _, Some(socket)) => socket.abort(),
            _ => {}
        }
    }

    fn follow(self: &Rc<Self>, socket: &TcpSocket) {
        let slot = || {
            let told = Rc::clone(self);
            move |socket: &TcpSocket| told.told(None, Some(socket))
        };
        socket.ready_read().connect(slot());
        socket.connected().connect(slot());
        socket.disconnected().connect(slot());
        let (written, changed, failed) = (slot(), slot(), slot());
        socket.bytes_written().connect(move |socket, _| written(socket));
        socket.state_changed().connect(move |socket, _| changed(socket));
        socket.error_occurred().connect(move |socket, _| failed(socket));
    }
}

/// Slots may panic; nothing else may.
fn in_spite_of_panics(act: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(act)) {
        if panic.downcast_ref() != Some(&"slot") {
            resume_unwind(panic);
        }
    }
}

struct Run<'a> {
    hole: &'a BlackHole,
    refusing: Refusing,
    event_loop: EventLoop,
    server: TcpServer,
    sender: Sender<()>,
    told: Rc<Told>,
    sockets: Vec<TcpSocket>,
    clients: Vec<TcpStream>,
}

impl<'a> Run<'a> {
    fn new(hole: &'a BlackHole) -> Self {
        let (event_loop, server) = World::Os.server();
        event_loop.as_fd();
        event_loop.set_linger_limits(SOON, 1 << 20);
        let told = Rc::<Told>::default();
        let slot = Rc::clone(&told);
        server.new_connection().connect(move |_| slot.told(None, None));
        let slot = Rc::clone(&told);
        let sender = event_loop.channel(move |()| slot.told(None, None));
        let (sockets, clients, refusing) = (Vec::new(), Vec::new(), Refusing::new());
        Self { hole, refusing, event_loop, server, sender, told, sockets, clients }
    }

    fn follow(&mut self, socket: TcpSocket) {
        self.told.follow(&socket);
        self.sockets.push(socket);
    }

    fn connect(&mut self, host: &str, to: usize) {
        let socket = TcpSocket::new(&self.event_loop);
        let port = match to {
            0 => self.refusing.port,
            1 => {
                socket.set_connect_timeout(Some(SOON));
                self.hole.port
            }
            _ if self.server.is_listening() => self.server.server_port(),
            _ => self.refusing.port,
        };
        if to == 2 {
            socket.bind("127.0.0.1:0").unwrap();
        }
        self.follow(socket);
        self.sockets.last().unwrap().connect_to_host(host, port).unwrap();
    }

    fn with_socket(&self, who: usize, act: impl FnOnce(&TcpSocket)) {
        if !self.sockets.is_empty() {
            act(&self.sockets[who % self.sockets.len()]);
        }
    }

    fn take_socket(&mut self, who: usize) -> Option<TcpSocket> {
        let number = self.sockets.len();
        (number > 0).then(|| self.sockets.swap_remove(who % number))
    }

    fn client(&mut self, who: usize) -> Option<&mut TcpStream> {
        let number = self.clients.len().max(1);
        self.clients.get_mut(who % number)
    }

    fn wait(&self, who: usize, wait: usize) {
        let limit = Some(SOON);
        self.with_socket(who, |socket| match wait {
            0 => _ = socket.wait_for_connected(limit),
            1 => _ = socket.wait_for_ready_read(limit),
            2 => _ = socket.wait_for_bytes_written(limit),
            3 => _ = socket.wait_for_disconnected(limit),
            _ => _ = self.server.wait_for_new_connection(limit),
        });
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Connect(host, to) => self.connect(host, to),
            Step::Take => {
                if let Some(socket) = self.server.next_pending_connection() {
                    self.follow(socket);
                }
            }
            Step::Write(who, size) => self.with_socket(who, |socket| _ = socket.write(&vec![1; size])),
            Step::Flush(who) => self.with_socket(who, |socket| _ = socket.flush()),
            Step::Read(who, size) => self.with_socket(who, |socket| _ = socket.read(&mut vec![0; size])),
            Step::ReadBufferSize(who, size) => {
                self.with_socket(who, |socket| socket.set_read_buffer_size(size));
            }
            Step::HalfOpen(who, half_open) => self.with_socket(who, |socket| socket.set_half_open(half_open)),
            Step::Disconnect(who) => self.with_socket(who, TcpSocket::disconnect_from_host),
            Step::Abort(who) => self.with_socket(who, TcpSocket::abort),
            Step::Drop(who) => drop(self.take_socket(who)),
            Step::GiveToServer(who) => {
                if let Some(socket) = self.take_socket(who) {
                    socket.set_parent(&self.server);
                }
            }
            Step::GiveBack(who) => {
                if let Some(Err(back)) =
                    self.take_socket(who).map(|socket| self.server.add_pending_connection(socket))
                {
                    self.sockets.push(back.value);
                }
            }
            Step::IntoStd(who) => match self.take_socket(who).map(TcpSocket::into_std) {
                Some(Ok(stream)) => {
                    stream.set_nonblocking(true).unwrap();
                    self.clients.push(stream);
                }
                Some(Err(back)) => self.sockets.push(back.value),
                None => {}
            },
            Step::Wait(who, wait) => self.wait(who, wait),
            Step::InTheNextSlot(act) => self.told.next.set(act),
            Step::Pause => self.server.pause_accepting(),
            Step::Resume => self.server.resume_accepting(),
            Step::MaxPending(number) => self.server.set_max_pending_connections(number),
            Step::Relisten => {
                self.server.close();
                self.server.listen(HostAddress::LOCALHOST, 0).unwrap();
            }
            Step::Send => self.sender.send(()).unwrap(),
            Step::Timer(time) => {
                let told = Rc::clone(&self.told);
                let slot = move |event_loop: &EventLoop| told.told(Some(event_loop), None);
                self.event_loop.single_shot(Duration::from_millis(time), slot);
            }
            other => self.client_step(other),
        }
    }

    fn client_step(&mut self, step: Step) {
        match step {
            Step::Clients(number) if self.server.is_listening() => {
                for _ in 0..number {
                    let client = TcpStream::connect(("127.0.0.1", self.server.server_port())).unwrap();
                    client.set_nonblocking(true).unwrap();
                    self.clients.push(client);
                }
            }
            Step::ClientSends(who, size) => _ = self.client(who).map(|client| client.write(&vec![7; size])),
            Step::ClientReads(who) => _ = self.client(who).map(|client| client.read(&mut vec![0; 1 << 20])),
            Step::ClientEnds(who) => _ = self.client(who).map(|client| client.shutdown(Shutdown::Write)),
            Step::ClientResets(who) if !self.clients.is_empty() => {
                let number = self.clients.len();
                Client::Os(self.clients.swap_remove(who % number)).reset();
            }
            _ => {}
        }
    }

    /// Whether the loop asks for a turn within that time, as a host sees it.
    fn calls(&self, within: Duration) -> bool {
        let has_alarm = cfg!(all(target_os = "linux", not(vestibule_polling)));
        let deadline = self.event_loop.next_deadline().filter(|_| !has_alarm);
        let until_then = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let limit = Timespec::try_from(within.min(until_then.unwrap_or(within))).unwrap();
        let mut polled = [PollFd::from_borrowed_fd(self.event_loop.as_fd(), PollFlags::IN)];
        poll(&mut polled, Some(&limit)).unwrap() > 0 || deadline.is_some_and(|at| at <= Instant::now())
    }

    fn turn(&self) {
        in_spite_of_panics(|| self.event_loop.process_events(Some(Duration::ZERO)).unwrap());
    }

    fn falls_silent(&self, within: Duration) {
        let mut turns = 0;
        while self.calls(within) {
            self.turn();
            turns += 1;
            assert!(turns < 3000, "the descriptor asks for turns without end");
        }
    }

    fn sees(&self) -> (usize, bool, Vec<(SocketState, usize, usize)>) {
        let of = |socket: &TcpSocket| (socket.state(), socket.bytes_to_write(), socket.bytes_available());
        let sockets = self.sockets.iter().map(of).collect();
        (self.told.count.get(), self.server.has_pending_connections(), sockets)
    }

    /// The loop is silent: then turns bring nothing about. What the system does just then might, but not each time.
    fn is_silent_rightly(&self) {
        let looking_up = |socket: &TcpSocket| socket.state() == SocketState::HostLookup;
        while self.sockets.iter().any(looking_up) {
            assert!(self.calls(LIMIT), "a name was found, and nobody told");
            self.turn();
        }
        for attempt in 0.. {
            self.falls_silent(QUIET);
            let before = self.sees();
            for _ in 0..3 {
                self.turn();
            }
            let after = self.sees();
            if before == after {
                return;
            }
            assert!(attempt < 2, "the descriptor was silent, but {before:?} became {after:?}");
        }
    }
}

fn run(hole: &BlackHole, steps: &[Step]) {
    let mut run = Run::new(hole);
    for (number, step) in steps.iter().enumerate() {
        in_spite_of_panics(|| run.step(*step));
        run.falls_silent(Duration::ZERO);
        if number % 6 == 5 {
            run.is_silent_rightly();
        }
    }
    run.is_silent_rightly();
}

#[test]
fn the_descriptor_calls_when_a_turn_is_needed_and_only_then() {
    let hole = BlackHole::new();
    let config = ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let steps = prop::collection::vec(step(), 1..40);
    let result = runner.run(&steps, |steps| {
        run(&hole, &steps);
        Ok(())
    });
    result.unwrap();
}
