//! Sends 50 MiB to itself and looks at every byte that arrives.
//!
//! It shows: a server and a client in one process and one loop; a server that closes at its first connection, which goes
//! on; sending with back-pressure, where the next piece is written when most of the last has left; and reading without a
//! copy.
//!
//! ```sh
//! cargo run --release --package vestibule --example loopback
//! ```
#![allow(clippy::print_stdout, reason = "a program talks")]

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;
use std::time::Instant;
use vestibule::{EventLoop, HostAddress, SocketError, TcpServer, TcpSocket};

const TOTAL: usize = 50 << 20;
const PIECE: usize = 64 << 10;
/// No more is written while more than this is unsent.
const UNSENT: usize = 4 * PIECE;

/// The byte at a position: no two pieces are alike, so that nothing can be lost or doubled unseen.
#[allow(clippy::cast_possible_truncation, reason = "the lowest byte of a sum is wanted")]
fn byte_at(position: usize) -> u8 {
    (position ^ (position >> 8) ^ (position >> 16)) as u8
}

/// One end of the transfer: how far it is, and its bar.
struct Progress {
    done: Cell<usize>,
    bar: ProgressBar,
}

impl Progress {
    fn new(bars: &MultiProgress, name: &'static str) -> Result<Rc<Self>, Box<dyn Error>> {
        let style = ProgressStyle::with_template("{prefix:8} {bar:40} {bytes:>10} {bytes_per_sec}")?;
        let bar = bars.add(ProgressBar::new(TOTAL as u64).with_prefix(name).with_style(style));
        Ok(Rc::new(Self { done: Cell::new(0), bar }))
    }

    fn advance(&self, length: usize) {
        self.done.set(self.done.get() + length);
        self.bar.set_position(self.done.get() as u64);
    }
}

/// Writes as long as little is unsent.
fn send(socket: &TcpSocket, sent: &Progress) {
    while sent.done.get() < TOTAL && socket.bytes_to_write() <= UNSENT {
        let from = sent.done.get();
        let piece: Vec<u8> = (from..TOTAL.min(from + PIECE)).map(byte_at).collect();
        let taken = socket.write(&piece);
        if taken == 0 {
            return; // the connection is over, which `error_occurred` tells
        }
        sent.advance(taken);
    }
}

/// Reads what is there; tells where a byte is not what was sent.
fn receive(socket: &TcpSocket, received: &Progress) -> Result<(), String> {
    let from = received.done.get();
    let mut wrong = None;
    let length = socket.read_with(|bytes| {
        let mut expected = (from..).map(byte_at);
        wrong = bytes.iter().position(|byte| Some(*byte) != expected.next());
        bytes.len()
    });
    received.advance(length);
    wrong.map_or(Ok(()), |at| Err(format!("the byte at {} is not what was sent", from + at)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let event_loop = EventLoop::new()?;
    let server = TcpServer::bind(&event_loop, (HostAddress::LOCALHOST, 0))?;
    let port = server.server_port();
    let bars = MultiProgress::new();
    let (sent, received) = (Progress::new(&bars, "sent")?, Progress::new(&bars, "received")?);
    let complaint = Rc::new(RefCell::new(None));

    let (arriving, wrong) = (Rc::clone(&received), Rc::clone(&complaint));
    let quit = event_loop.handle();
    server.new_connection().connect(move |server| {
        let Some(socket) = server.next_pending_connection() else { return };
        server.close(); // one connection is all there will be
        let (arriving, wrong, quit) = (Rc::clone(&arriving), Rc::clone(&wrong), quit.clone());
        socket.ready_read().connect(move |socket| {
            if let Err(found) = receive(socket, &arriving) {
                wrong.replace(Some(found));
                quit.quit();
            }
            if arriving.done.get() == TOTAL {
                socket.disconnect_from_host();
            }
        });
        socket.set_parent(server);
    });

    let client = TcpSocket::new(&event_loop);
    let sending = Rc::clone(&sent);
    client.connected().connect(move |socket| send(socket, &sending));
    let sending = Rc::clone(&sent);
    client.bytes_written().connect(move |socket, _| send(socket, &sending));
    let failing = Rc::clone(&complaint);
    let quit = event_loop.handle();
    client.error_occurred().connect(move |_, error| {
        if error != SocketError::RemoteHostClosed {
            failing.replace(Some(error.to_string()));
        }
        quit.quit();
    });

    let begun = Instant::now();
    client.connect_to_host(HostAddress::LOCALHOST, port)?;
    event_loop.run()?;
    sent.bar.finish();
    received.bar.finish();
    if let Some(complaint) = complaint.take() {
        return Err(complaint.into());
    }
    if (sent.done.get(), received.done.get()) != (TOTAL, TOTAL) {
        return Err(
            format!("sent {}, received {} of {TOTAL} bytes", sent.done.get(), received.done.get()).into()
        );
    }
    let listening = if server.is_listening() { "still listens" } else { "listens no more" };
    println!(
        "sent and received {TOTAL} bytes in {:?}, every byte right; the server {listening}",
        begun.elapsed()
    );
    Ok(())
}
