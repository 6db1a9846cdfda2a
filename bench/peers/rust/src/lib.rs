//! What all peers share: their command line, and how they say that they listen.

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the server writes to each client in the mode `fortune`.
pub const FORTUNE: &[u8; 16] = b"Fortune cookie!\n";

/// How many connections may wait to be accepted.
pub const BACKLOG: u16 = 4096;

/// What a program returns.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The command line `PROGRAM MODE PORT BUFFER [WORKERS]`.
#[derive(Clone, Copy, Debug)]
pub struct Arguments {
    /// Whether to write the fortune and close; otherwise to echo, or, those that speak HTTP, to serve it as a page.
    pub fortune: bool,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The size of a read buffer in bytes.
    pub buffer: usize,
    /// How many threads serve.
    pub workers: usize,
}

impl Arguments {
    /// Reads the command line of this process.
    ///
    /// # Errors
    /// Something is missing or is not a number.
    pub fn parse() -> Outcome<Self> {
        let mut words = std::env::args().skip(1);
        let fortune = match words.next().as_deref() {
            Some("fortune") => true,
            Some("echo" | "http") => false,
            _ => return Err("MODE must be fortune, echo or http".into()),
        };
        let port = words.next().ok_or("PORT is missing")?.parse()?;
        let buffer = words.next().ok_or("BUFFER is missing")?.parse()?;
        let workers = words.next().map_or(Ok(1), |word| word.parse())?;
        Ok(Self { fortune, port, buffer, workers })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}

/// Prints the line that the harness waits for.
///
/// # Errors
/// Standard output is closed.
pub fn announce() -> io::Result<()> {
    let mut output = io::stdout();
    writeln!(output, "ready")?;
    output.flush()
}

/// Counts the workers that do not listen yet.
#[derive(Debug)]
pub struct Readiness(AtomicUsize);

impl Readiness {
    /// One worker listens; the last of them announces the server.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn listening(&self) -> io::Result<()> {
        if self.0.fetch_sub(1, Ordering::AcqRel) == 1 { announce() } else { Ok(()) }
    }
}

/// Runs the same server on each of the workers' threads; the first error ends the program.
///
/// # Errors
/// What the worker on this thread returns.
pub fn on_each_worker(arguments: Arguments, serve: fn(Arguments, &Readiness) -> Outcome) -> Outcome {
    let readiness = Readiness(AtomicUsize::new(arguments.workers));
    on_threads(0..arguments.workers, |_| serve(arguments, &readiness))
}

/// Serves each part on a thread of its own, the first of them on this one; the first error ends the program.
///
/// # Errors
/// What the first part returns.
pub fn on_threads<T: Send>(
    parts: impl IntoIterator<Item = T>,
    serve: impl Fn(T) -> Outcome + Sync,
) -> Outcome {
    let (mut parts, serve) = (parts.into_iter(), &serve);
    let Some(own) = parts.next() else { return Ok(()) };
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(move || {
                if let Err(error) = serve(part) {
                    let _ = writeln!(io::stderr(), "Error: {error}");
                    std::process::exit(1);
                }
            });
        }
        serve(own)
    })
}

/// Listens with tokio, as its users do, and announces it.
///
/// # Errors
/// What the system says when it cannot listen; standard output is closed.
#[cfg(any(feature = "axum", feature = "tokio"))]
pub fn listen(arguments: Arguments) -> io::Result<tokio::net::TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(arguments.address())?;
    let listener = socket.listen(BACKLOG.into())?;
    announce()?;
    Ok(listener)
}
