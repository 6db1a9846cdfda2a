//! What all servers do: listen, let in whom the limits allow, serve until a signal comes, drain, and say what was counted.

use crate::arguments::Service;
use crate::output::{Seldom, complain, say};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use vestibule::{
    DrainReport, Endpoint, EventLoop, Limits, ListenOptions, Rate, ServerHandle, TcpServer, Timeouts,
};

/// How long refused clients may take for their last words when the program ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many peers that were cut are named.
const NAMED: usize = 10;

/// Serves until SIGINT or SIGTERM; `prepare` says what happens with a connection.
pub(crate) fn serve(
    service: &Service,
    prepare: impl FnOnce(&TcpServer),
) -> Result<(), Box<dyn std::error::Error>> {
    let event_loop = EventLoop::new()?;
    event_loop.contain_panics(true);
    event_loop.set_panic_slot(|_, message| complain(&format!("vestibule: a slot has panicked: {message}")));
    let server = TcpServer::new(&event_loop);
    server.set_limits(limits(service));
    server.set_timeouts(timeouts(service));
    log_trouble(&server, &event_loop, service.verbose);
    prepare(&server);
    server.listen_with(ListenOptions::new(service.listen))?;
    let cut_short = end_when_drained(&server, &event_loop);
    drain_on_signals(server.handle(), service.drain_timeout)?;
    let address = server.local_addr().map_or(service.listen, Endpoint::from);
    say(&format!("listening on {address}"));
    if service.stats {
        say_statistics(&server, &event_loop);
    }
    event_loop.run()?;
    if service.stats {
        say(&format!("in all: {}", server.statistics()));
    }
    drop(server);
    event_loop.finish(if cut_short.get() { Duration::ZERO } else { LAST_WORDS })?;
    Ok(())
}

fn limits(service: &Service) -> Limits {
    let mut limits = Limits::new();
    if let Some(number) = service.max_connections {
        limits = limits.max_connections(number);
    }
    if let Some(number) = service.max_per_source {
        limits = limits.max_connections_per_source(number);
    }
    if let Some(number) = service.rate {
        limits = limits.rate(Rate::per_second(number));
    }
    limits
}

fn timeouts(service: &Service) -> Timeouts {
    service.idle_timeout.map_or_else(Timeouts::new, |limit| Timeouts::new().idle(limit))
}

fn log_trouble(server: &TcpServer, event_loop: &EventLoop, verbose: bool) {
    let (seldom, quit) = (Seldom::default(), event_loop.handle());
    server.accept_error().connect(move |server, _| {
        let text = server.error_string().to_lowercase();
        if server.is_listening() {
            seldom.complain(&format!("vestibule: cannot accept now: {text}"));
        } else {
            complain(&format!("vestibule: cannot accept any more: {text}"));
            quit.quit();
        }
    });
    if verbose {
        server
            .refused()
            .connect(|_, client| complain(&format!("{}: refused, {}", client.peer, client.reason)));
    }
}

fn say_statistics(server: &TcpServer, event_loop: &EventLoop) {
    let server = server.downgrade();
    event_loop.start_timer(Duration::from_secs(1), move |_| {
        server.with(|server| {
            let queue =
                server.kernel_queue().map(|queue| format!(", queue {} of {}", queue.depth, queue.limit));
            say(&format!("{}{}", server.statistics(), queue.unwrap_or_default()));
        });
    });
}

/// The loop ends with the drain; the result tells whether connections had to be cut.
fn end_when_drained(server: &TcpServer, event_loop: &EventLoop) -> Rc<Cell<bool>> {
    let cut_short = Rc::new(Cell::new(false));
    let (cut, quit) = (Rc::clone(&cut_short), event_loop.handle());
    server.drained().connect(move |_, report| {
        cut.set(report.cut > 0);
        if report.cut > 0 {
            complain(&cut_connections(&report));
        }
        if report.left_in_queue > 0 {
            complain(&format!("vestibule: {} never accepted", counted(report.left_in_queue, "client")));
        }
        quit.quit();
    });
    cut_short
}

fn cut_connections(report: &DrainReport) -> String {
    let peers: Vec<String> = report.cut_peers.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if report.cut_peers.len() > NAMED { ", …" } else { "" };
    let number = counted(report.cut, "connection");
    let verb = if report.cut == 1 { "was" } else { "were" };
    format!("vestibule: {number} did not end in time and {verb} cut: {}{more}", peers.join(", "))
}

/// `1 client`, `2 clients`.
fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The server learns of signals from a thread: the first drains it, the second ends the drain, a third ends the program.
fn drain_on_signals(handle: ServerHandle, drain_timeout: Duration) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for (number, _) in signals.forever().enumerate() {
            let drained = match number {
                0 => handle.drain(drain_timeout),
                1 => handle.drain(Duration::ZERO),
                _ => std::process::exit(1),
            };
            drop(drained); // its end is told by a signal of the server
        }
    })?;
    Ok(())
}
