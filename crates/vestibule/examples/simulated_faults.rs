//! Tests a small server on a network in memory, under 200 seeds, with what goes wrong in production going wrong.
//!
//! It shows: a server of your own that runs unchanged on the system's network and on a simulated one; scripted faults,
//! such as accepts that lack a descriptor and sends that take a few bytes; clients that stall, reset or are far away;
//! and checking what must hold whatever happens. Time is virtual: hours of it take no time.
//!
//! ```sh
//! cargo run --package vestibule --features simulation --example simulated_faults
//! VESTIBULE_SEED=7 cargo run …        # one seed alone: a seed that fails prints this line
//! ```
#![allow(clippy::print_stdout, clippy::panic, reason = "a program talks, and a test may fail")]

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;
use vestibule::simulation::{SimulatedClient, SimulatedNetwork, explore};
use vestibule::{EventLoop, HostAddress, TcpServer, TcpSocket, Timeouts};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PORT: u16 = 7777;
const LINES: usize = 50;
/// For so long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(600);
const EMFILE: i32 = 24; // no descriptors left, on Linux

/// What is tested: it answers each line with the number of lines that all its clients have sent.
struct LineCounter {
    server: TcpServer,
    lines: Rc<Cell<usize>>,
}

impl LineCounter {
    /// The loop decides on which network the server runs: it does not know about simulations.
    fn new(event_loop: &EventLoop) -> vestibule::Result<Self> {
        let server = TcpServer::bind(event_loop, (HostAddress::ANY, PORT))?;
        server.set_timeouts(Timeouts::new().idle(PATIENCE));
        let lines = Rc::new(Cell::new(0));
        let counted = Rc::clone(&lines);
        server.new_connection().connect(move |server| {
            while let Some(socket) = server.next_pending_connection() {
                let counted = Rc::clone(&counted);
                socket.ready_read().connect(move |socket| Self::answer(socket, &counted));
                socket.set_parent(server);
            }
        });
        Ok(Self { server, lines })
    }

    fn answer(socket: &TcpSocket, lines: &Cell<usize>) {
        while socket.read_line().is_some() {
            lines.set(lines.get() + 1);
            socket.write(format!("{}\n", lines.get()).as_bytes());
        }
    }
}

/// One run; tells how much time passed in it. Panicking is failing: `explore` then prints the seed.
fn test(network: &SimulatedNetwork) -> Outcome<Duration> {
    // Faults are said beforehand. A client whose accept fails waits: the server tries again after a pause.
    for nth in [1, 3, 4] {
        network.fail_accept(nth, EMFILE);
    }
    network.set_longest_send(Some(3)); // answers leave in pieces
    network.set_latency(Duration::from_millis(20)); // for connections to come

    let event_loop = network.event_loop();
    let counter = LineCounter::new(&event_loop)?;
    let (good, stalling) = (network.connect(PORT)?, network.connect(PORT)?);

    // One client resets in the middle of a line. One stalls: from now on it neither sends nor reads.
    let resetting = network.connect(PORT)?;
    send(&event_loop, &resetting, "half a li")?;
    resetting.reset();
    send(&event_loop, &stalling, "hello?\n")?;
    send(&event_loop, &good, &"hello\n".repeat(LINES))?;

    // Turns are taken until all answers are there. Each moves the clock on to the next thing that happens.
    let mut answers = String::new();
    while answers.lines().count() < LINES || !answers.ends_with('\n') {
        event_loop.process_events(Some(Duration::from_secs(1)))?;
        answers.push_str(&String::from_utf8(good.read()?)?);
        assert!(network.elapsed() < PATIENCE, "the good client is not served");
    }
    drop(good);
    while counter.server.statistics().open > 0 {
        event_loop.process_events(Some(Duration::from_secs(1)))?;
        assert!(network.elapsed() < 3 * PATIENCE, "a connection is left");
    }

    // What must hold for every seed: each line is counted once, in order, and nobody keeps a place for nothing.
    let numbers: Vec<usize> = answers.lines().map(str::parse).collect::<Result<_, _>>()?;
    assert!(numbers.is_sorted(), "answers in disorder: {numbers:?}");
    assert_eq!(counter.lines.get(), LINES + 1, "half a line was counted, or a whole one was not");
    let statistics = counter.server.statistics();
    assert_eq!((statistics.accepted, statistics.errors.resources), (3, 3), "{statistics}");
    assert_eq!(statistics.timed_out, 1, "the client that stalls was not ended");
    Ok(network.elapsed())
}

/// A client's window may be full: then the server gets its turn.
fn send(event_loop: &EventLoop, client: &SimulatedClient, text: &str) -> Outcome<()> {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        left = left.get(client.write(left)?..).unwrap_or_default();
        event_loop.process_events(Some(Duration::from_millis(1)))?;
    }
    Ok(())
}

fn main() {
    let time = Cell::new(Duration::ZERO);
    explore(0..200, |network| match test(network) {
        Ok(took) => time.set(time.get() + took),
        Err(error) => panic!("{error}"),
    });
    println!("all runs held, in {} hours of virtual time", time.get().as_secs() / 3_600);
}
