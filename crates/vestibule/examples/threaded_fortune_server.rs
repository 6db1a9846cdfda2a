//! A fortune server whose connections are served by a few threads, each with an event loop.
//!
//! It shows: the hook that hands out each connection before it is a socket; that such a connection can be sent to another
//! thread, and a socket cannot; that the socket is made in the thread that uses it; and a pool that is bounded in threads
//! and in connections. Serving takes no time here; imagine that it did.
//!
//! ```sh
//! cargo run --package vestibule --example threaded_fortune_server            # or: -- 127.0.0.1:7777 4
//! cargo run --package vestibule --example fortune_client -- localhost PORT
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod fortune;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use vestibule::{
    Endpoint, EventLoop, EventLoopHandle, HostAddress, IncomingConnection, TcpServer, TcpSocket,
};

/// How many connections a thread has at most.
const MOST: usize = 1000;

/// A thread with a loop, seen from the thread that accepts.
struct Worker {
    handle: EventLoopHandle,
    connections: Arc<AtomicUsize>,
}

impl Worker {
    /// Starts a thread and waits until its loop is there.
    fn start(number: usize) -> Result<Self, String> {
        let (sender, receiver) = mpsc::channel();
        let name = format!("worker {number}");
        let spawned = thread::Builder::new().name(name.clone()).spawn(move || {
            let event_loop = EventLoop::new();
            let handle = event_loop.as_ref().map(EventLoop::handle).map_err(ToString::to_string);
            let _ = sender.send(handle);
            if let Err(error) = event_loop.and_then(|event_loop| event_loop.run()) {
                eprintln!("{name}: {error}");
            }
        });
        spawned.map_err(|error| error.to_string())?;
        let handle = receiver.recv().map_err(|error| error.to_string())??;
        Ok(Self { handle, connections: Arc::default() })
    }

    /// Has the thread serve a connection.
    fn serve(&self, connection: IncomingConnection) {
        let count = Count::new(&self.connections);
        let posted = self.handle.post(move |event_loop| tell(event_loop, connection, count));
        if posted.is_err() {
            eprintln!("a worker is gone"); // and the connection is closed
        }
    }
}

/// One of the connections of a worker, as long as this lives.
struct Count(Arc<AtomicUsize>);

impl Count {
    fn new(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// In the worker's thread: the connection becomes a socket of its loop.
fn tell(event_loop: &EventLoop, connection: IncomingConnection, count: Count) {
    let socket = TcpSocket::from_incoming(event_loop, connection);
    let fortune = fortune::FORTUNES[fortune::below(fortune::FORTUNES.len())];
    socket.write(&fortune::message(fortune));
    socket.disconnect_from_host();
    drop(count); // a longer conversation would keep the socket, and this with it
}

/// Whoever has the fewest connections gets the next one; when all have as many as they may, it is closed.
fn hand_out(workers: &[Worker], connection: IncomingConnection) {
    let load = |worker: &&Worker| worker.connections.load(Ordering::Relaxed);
    match workers.iter().min_by_key(load).filter(|worker| load(worker) < MOST) {
        Some(worker) => worker.serve(connection),
        None => eprintln!("{}: everyone is busy", connection.peer_addr()),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let endpoint = match arguments.next() {
        Some(text) => text.parse()?,
        None => Endpoint::new(HostAddress::ANY, 0),
    };
    let number = arguments.next().map_or(Ok(4), |number| number.parse::<usize>())?;
    let workers = (1..=number.max(1)).map(Worker::start).collect::<Result<Vec<_>, _>>()?;

    let event_loop = EventLoop::new()?;
    let server = TcpServer::bind(&event_loop, endpoint)?;
    server.set_incoming_connection(move |_, connection| hand_out(&workers, connection));
    println!("listening on {}", Endpoint::new(server.server_address(), server.server_port()));
    Ok(event_loop.run()?)
}
