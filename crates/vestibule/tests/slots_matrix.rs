//! Everything a slot may do to its server, in every slot: nothing hangs, spins, panics, or is left behind.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, LIMIT, World};
use vestibule::{
    HostAddress, Limits, OverLimit, Rate, Refusal, ServerState, TcpServer, TcpSocket, Timeouts, WeakTcpServer,
};

#[allow(clippy::unnecessary_wraps, reason = "it is a time-out")]
fn millis(number: u64) -> Option<Duration> {
    Some(Duration::from_millis(number))
}

/// Where something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Refused,
    StateChanged,
    Drained,
    NewConnection,
    PendingConnectionAvailable,
    Hook,
    ReadyRead,
    Disconnected,
    Draining,
    /// The slot that hears of contained panics.
    Panic,
}

const SLOTS: [Slot; 10] = [
    Slot::Refused,
    Slot::StateChanged,
    Slot::Drained,
    Slot::NewConnection,
    Slot::PendingConnectionAvailable,
    Slot::Hook,
    Slot::ReadyRead,
    Slot::Disconnected,
    Slot::Draining,
    Slot::Panic,
];

type Owner = Rc<RefCell<Option<TcpServer>>>;

/// What is done there, and its name.
type Action = (&'static str, fn(&TcpServer, &Owner));

const ACTIONS: [Action; 16] = [
    ("drop", |_, owner| {
        let server = owner.try_borrow_mut().ok().and_then(|mut owner| owner.take());
        drop(server);
    }),
    ("close", |server, _| server.close()),
    ("drain at once", |server, _| server.drain(Duration::ZERO)),
    ("drain", |server, _| server.drain(Duration::from_millis(100))),
    ("refuse", |server, _| {
        let word = OverLimit::Refuse(Refusal::last_word("no").unwrap());
        server.set_limits(Limits::new().max_connections(1).max_connections_per_source(1).over_limit(word));
    }),
    ("reserve", |server, _| {
        server.set_limits(Limits::new().reserve_descriptor(true).rate(Rate::per_second(0)));
    }),
    ("wait", |server, _| drop(server.wait_for_new_connection(millis(5)))),
    ("turn", |server, _| server.event_loop().process_events(millis(0)).unwrap()),
    ("listen again", |server, _| {
        server.close();
        drop(server.listen(HostAddress::LOCALHOST, 0)); // fails while it drains
    }),
    ("ask", |server, _| {
        drop(server.handle().pause());
        drop(server.handle().drain(Duration::from_millis(50)));
    }),
    ("abort the pending", |server, _| {
        while let Some(socket) = server.next_pending_connection() {
            socket.abort();
        }
    }),
    ("pause", |server, _| {
        server.set_max_pending_connections(0);
        server.pause_accepting();
        server.resume_accepting();
    }),
    ("drain and turn", |server, _| {
        server.drain(Duration::ZERO);
        server.event_loop().process_events(millis(0)).unwrap();
    }),
    ("short lives", |server, _| {
        let timeouts = Timeouts::new().lifetime(Duration::from_millis(1));
        server.for_each_child(|socket: &TcpSocket| socket.set_timeouts(timeouts));
    }),
    ("abort the children", |server, _| server.for_each_child(TcpSocket::abort)),
    ("time-outs", |server, _| {
        let short = Duration::from_millis(20);
        server.set_timeouts(Timeouts::new().idle(short).min_progress(1000, short).first_byte(short));
    }),
];

/// Has a slot do it, in its first three calls.
fn connect(slot: Slot, server: &TcpServer, owner: &Owner, action: Action) -> Rc<Cell<u32>> {
    let (runs, owner) = (Rc::<Cell<u32>>::default(), Rc::clone(owner));
    let count = Rc::clone(&runs);
    let act = Rc::new(move |server: &TcpServer| {
        if runs.replace(runs.get() + 1) < 3 {
            action.1(server, &owner);
        }
    });
    let on_server = Rc::clone(&act);
    match slot {
        Slot::Refused => {
            server.refused().connect(move |server, _| on_server(server));
        }
        Slot::StateChanged => {
            server.state_changed().connect(move |server, _| on_server(server));
        }
        Slot::Drained => {
            server.drained().connect(move |server, _| on_server(server));
        }
        Slot::NewConnection => {
            server.new_connection().connect(move |server| on_server(server));
        }
        Slot::PendingConnectionAvailable => {
            server.pending_connection_available().connect(move |server| on_server(server));
        }
        Slot::Hook => server.set_incoming_connection(move |server, connection| {
            on_server(server);
            let socket = TcpSocket::from_incoming(&server.event_loop(), connection);
            drop(server.add_pending_connection(socket));
        }),
        Slot::Panic => {
            let server_of = server.downgrade();
            server.event_loop().set_panic_slot(move |_, _| {
                server_of.with(|server| on_server(server));
            });
        }
        Slot::ReadyRead | Slot::Disconnected | Slot::Draining => {}
    }
    server.new_connection().connect(move |server| {
        while let Some(socket) = server.next_pending_connection() {
            on_socket(slot, &socket, server.downgrade(), Rc::clone(&act));
            socket.ready_read().connect(|socket| {
                socket.read_with(|bytes| socket.write(bytes));
            });
            socket.set_parent(server);
        }
    });
    count
}

fn on_socket(slot: Slot, socket: &TcpSocket, server: WeakTcpServer, act: Rc<impl Fn(&TcpServer) + 'static>) {
    let call = move |_: &TcpSocket| {
        server.with(|server| act(server));
    };
    match slot {
        Slot::ReadyRead => {
            socket.ready_read().connect(call);
        }
        Slot::Disconnected => {
            socket.disconnected().connect(call);
        }
        Slot::Draining => {
            socket.draining().connect(call);
        }
        Slot::Panic => {
            socket.ready_read().connect(|_| panic!("in a slot"));
        }
        _ => {}
    }
}

/// 1. More clients come than are let in, and send something.
/// 2. Half of them go.
/// 3. The server drains, if it still listens.
/// 4. The others go.
/// 5. Nothing is left open, and the loop sleeps.
fn one(world: &World, slot: Slot, action: Action) {
    let name = format!("{} in {slot:?}", action.0);
    let (event_loop, server) = world.server();
    event_loop.contain_panics(slot == Slot::Panic);
    let word = Refusal::last_word("go away").unwrap();
    server.set_limits(Limits::new().max_connections(6).max_connections_per_source(4).refusal(word));
    let port = server.server_port();
    let owner: Owner = Rc::default();
    let runs = connect(slot, &server, &owner, action);
    owner.replace(Some(server));
    let mut clients: Vec<Client> = (0..8).map(|_| world.connect(port)).collect();
    for client in &mut clients {
        drop(client.try_send(b"hello"));
    }
    let elapsed = || match world {
        World::Simulation(network) => network.elapsed(),
        World::Os => Instant::now().duration_since(start()),
    };
    // So long, and in how many turns.
    let turns = |time: u64| {
        let (end, begun, mut number) = (elapsed() + Duration::from_millis(time), Instant::now(), 0);
        while elapsed() < end {
            assert!(begun.elapsed() < LIMIT, "{name}: the loop spins");
            event_loop.process_events(Some(end.saturating_sub(elapsed()))).unwrap();
            number += 1;
        }
        number
    };
    let server_of = owner.borrow().as_ref().map(TcpServer::downgrade);
    turns(10);
    clients.truncate(4);
    turns(5);
    if let Some(server) = server_of {
        server.with(|server| {
            if server.state() == ServerState::Listening {
                server.drain(Duration::from_millis(20));
            }
        });
    }
    turns(40);
    drop(clients);
    turns(150);
    let number = turns(20);
    assert!(number < 20, "{name}: {number} turns for nothing");
    assert!(runs.get() > 0, "{name}: the slot did not run");
    let server = owner.take();
    if let Some(server) = &server {
        let statistics = server.statistics();
        assert_eq!(statistics.open, 0, "{name}: {statistics}");
        assert_ne!(server.state(), ServerState::Draining, "{name}");
    }
}

/// When the first test of this process asked.
fn start() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// A turn that never ends would hold the thread of the test.
fn with_a_limit(test: impl FnOnce() + Send + 'static) {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        test();
        tell.send(()).unwrap();
    });
    assert_ne!(told.recv_timeout(LIMIT), Err(RecvTimeoutError::Timeout), "a turn does not end");
    thread.join().unwrap();
}

#[test]
fn everything_in_every_slot_on_the_simulation() {
    with_a_limit(|| {
        for slot in SLOTS {
            for action in ACTIONS {
                (0..2).for_each(|seed| one(&World::simulation(seed), slot, action));
            }
        }
    });
}

/// On the system what is not the same there: drops, drains and turns, where the end of a connection is told.
#[test]
fn drops_and_drains_in_the_slots_of_an_end_on_the_system() {
    with_a_limit(|| {
        for slot in [Slot::Disconnected, Slot::Draining] {
            for name in ["drop", "drain and turn"] {
                let action = ACTIONS.into_iter().find(|action| action.0 == name).unwrap();
                one(&World::Os, slot, action);
            }
        }
    });
}
