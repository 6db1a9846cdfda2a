//! What all servers do: listen, let in whom the limits allow, serve until a signal comes, drain, and say what was counted.

use crate::arguments::Service;
use crate::front::Front;
use crate::output::{Seldom, complain, say};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;
use vestibule::{
    Answer, DrainReport, Endpoint, EventLoop, HostAddress, Limits, ListenOptions, NetworkProxy, Rate,
    ServerState, TcpServer, Timeouts, Workers,
};

/// How many peers that were cut are named.
const NAMED: usize = 10;
/// How long the statistics wait for the kernel's queue, which a worker has to look at.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where to listen if nobody says it.
const HERE: Endpoint = Endpoint::new(HostAddress::LOCALHOST, 7777);
/// The same through a proxy, which never listens on a loopback address for us.
const ANYWHERE: Endpoint = Endpoint::new(HostAddress::ANY, 0);

/// Serves until SIGINT or SIGTERM; `prepare` says what happens with a connection.
pub(crate) fn serve(
    service: &Service,
    prepare: impl Fn(&TcpServer) + Send + Sync + 'static,
) -> Result<(), Box<dyn std::error::Error>> {
    match service.proxy.chosen()? {
        Some(proxy) => serve_through(&proxy, service, prepare),
        None => serve_directly(service, prepare),
    }
}

fn serve_directly(
    service: &Service,
    prepare: impl Fn(&TcpServer) + Send + Sync + 'static,
) -> Result<(), Box<dyn std::error::Error>> {
    let (verbose, seldom) = (service.verbose, Arc::new(Seldom::default()));
    let workers = Workers::new(service.workers).limits(limits(service)).timeouts(timeouts(service));
    let group = workers.listen_with(ListenOptions::new(service.listen.unwrap_or(HERE)), move |server| {
        log_trouble(server, &seldom, verbose);
        prepare(server);
    })?;
    let (front, place) = (Front::Workers(group.handle()), group.local_addr().to_string());
    attend(service, &front, &place, || group.join())
}

/// One server, because a proxy's clients come one by one anyway.
fn serve_through(
    proxy: &NetworkProxy,
    service: &Service,
    prepare: impl Fn(&TcpServer),
) -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = service.listen.unwrap_or(ANYWHERE);
    if endpoint.address.is_loopback() {
        return Err(
            format!("{endpoint} is an address of this host, and no proxy listens there for it").into()
        );
    }
    if service.workers != 1 {
        return Err("behind a proxy there is one worker".into());
    }
    let event_loop = EventLoop::new()?;
    event_loop.contain_panics(true);
    let server = TcpServer::new(&event_loop);
    server.set_limits(limits(service));
    server.set_timeouts(timeouts(service));
    log_trouble(&server, &Arc::default(), service.verbose);
    prepare(&server);
    server.address_changed().connect(say_where);
    let quit = event_loop.handle();
    server.drained().connect(move |_, _| quit.quit());
    server.set_proxy(proxy.clone());
    server.listen_with(ListenOptions::new(endpoint))?;
    attend(service, &Front::Server(server.handle()), &place(&server), || event_loop.run())
}

/// Where clients can come to.
fn place(server: &TcpServer) -> String {
    format!("{} through {}", Endpoint::new(server.server_address(), server.server_port()), server.proxy())
}

fn say_where(server: &TcpServer) {
    say(&format!("listening on {}", place(server)));
}

/// Serves, drains at a signal, and says what was counted.
fn attend(
    service: &Service,
    front: &Front,
    place: &str,
    run: impl FnOnce() -> vestibule::Result<()>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (sender, drains) = mpsc::channel();
    drain_on_signals(front.clone(), service.drain_timeout, sender)?;
    say(&format!("listening on {place}"));
    let (ending, ended) = mpsc::channel::<()>();
    let statistics = service.stats.then(|| say_statistics(front.clone(), ended)).transpose()?;
    let outcome = run();
    if let Some(report) = drains.try_recv().ok().and_then(|drain| drain.wait(None).ok()) {
        say_what_was_lost(&report);
    }
    drop(ending);
    if let Some(statistics) = statistics {
        let _ = statistics.join();
        say(&format!("in all: {}", front.statistics()));
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
        match server.state() {
            ServerState::Closed => {}
            ServerState::Starting => seldom.complain(&format!("vestibule: cannot listen now: {text}")),
            _ => seldom.complain(&format!("vestibule: cannot accept now: {text}")),
        }
    });
    if verbose {
        server
            .refused()
            .connect(|_, client| complain(&format!("{}: refused, {}", client.peer, client.reason)));
    }
}

/// A line each second, until the group has ended.
fn say_statistics(front: Front, ended: mpsc::Receiver<()>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("statistics".into()).spawn(move || {
        while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            let queue =
                front.queue(PATIENCE).map(|queue| format!(", queue {} of {}", queue.depth, queue.limit));
            say(&format!("{}{}", front.statistics(), queue.unwrap_or_default()));
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

/// Who serves learns of signals from a thread: the first drains, the second ends the drain, a third ends the program.
fn drain_on_signals(
    front: Front,
    drain_timeout: Duration,
    drains: Sender<Answer<DrainReport>>,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for (number, _) in signals.forever().enumerate() {
            let drain = match number {
                0 => front.drain(drain_timeout),
                1 => front.drain(Duration::ZERO),
                _ => std::process::exit(1),
            };
            let _ = drains.send(drain); // who waits for the end looks at the first
        }
    })?;
    Ok(())
}
