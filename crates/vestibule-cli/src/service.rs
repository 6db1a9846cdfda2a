//! What all servers do: listen, let in whom the limits allow, serve until a signal comes, drain, and say what was counted.

use crate::arguments::Service;
use crate::output::{Seldom, complain, say};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;
use vestibule::{
    Answer, DrainReport, Limits, ListenOptions, Rate, TcpServer, Timeouts, Workers, WorkersHandle,
};

/// How many peers that were cut are named.
const NAMED: usize = 10;
/// How long the statistics wait for the kernel's queue, which a worker has to look at.
const PATIENCE: Duration = Duration::from_millis(500);

/// Serves until SIGINT or SIGTERM; `prepare` says what happens with a connection.
pub(crate) fn serve(
    service: &Service,
    prepare: impl Fn(&TcpServer) + Send + Sync + 'static,
) -> Result<(), Box<dyn std::error::Error>> {
    let (verbose, seldom) = (service.verbose, Arc::new(Seldom::default()));
    let workers = Workers::new(service.workers).limits(limits(service)).timeouts(timeouts(service));
    let group = workers.listen_with(ListenOptions::new(service.listen), move |server| {
        log_trouble(server, &seldom, verbose);
        prepare(server);
    })?;
    let handle = group.handle();
    let (sender, drains) = mpsc::channel();
    drain_on_signals(handle.clone(), service.drain_timeout, sender)?;
    say(&format!("listening on {}", group.local_addr()));
    let (ending, ended) = mpsc::channel::<()>();
    let statistics = service.stats.then(|| say_statistics(handle.clone(), ended)).transpose()?;
    let outcome = group.join();
    if let Some(report) = drains.try_recv().ok().and_then(|drain| drain.wait(None).ok()) {
        say_what_was_lost(&report);
    }
    drop(ending);
    if let Some(statistics) = statistics {
        let _ = statistics.join();
        say(&format!("in all: {}", handle.statistics()));
    }
    Ok(outcome?)
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

fn log_trouble(server: &TcpServer, seldom: &Arc<Seldom>, verbose: bool) {
    server
        .event_loop()
        .set_panic_slot(|_, message| complain(&format!("vestibule: a slot has panicked: {message}")));
    let seldom = Arc::clone(seldom);
    server.accept_error().connect(move |server, _| {
        let text = server.error_string().to_lowercase();
        if server.is_listening() {
            seldom.complain(&format!("vestibule: cannot accept now: {text}"));
        }
    });
    if verbose {
        server
            .refused()
            .connect(|_, client| complain(&format!("{}: refused, {}", client.peer, client.reason)));
    }
}

/// A line each second, until the group has ended.
fn say_statistics(handle: WorkersHandle, ended: mpsc::Receiver<()>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("statistics".into()).spawn(move || {
        while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            let queue = handle.kernel_queue().wait(Some(PATIENCE)).ok().flatten();
            let queue = queue.map(|queue| format!(", queue {} of {}", queue.depth, queue.limit));
            say(&format!("{}{}", handle.statistics(), queue.unwrap_or_default()));
        }
    })
}

fn say_what_was_lost(report: &DrainReport) {
    if report.cut > 0 {
        complain(&cut_connections(report));
    }
    if report.left_in_queue > 0 {
        complain(&format!("vestibule: {} never accepted", counted(report.left_in_queue, "client")));
    }
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

/// The workers learn of signals from a thread: the first drains them, the second ends the drain, a third ends the program.
fn drain_on_signals(
    handle: WorkersHandle,
    drain_timeout: Duration,
    drains: Sender<Answer<DrainReport>>,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for (number, _) in signals.forever().enumerate() {
            let drain = match number {
                0 => handle.drain(drain_timeout),
                1 => handle.drain(Duration::ZERO),
                _ => std::process::exit(1),
            };
            let _ = drains.send(drain); // who waits for the end looks at the first
        }
    })?;
    Ok(())
}
