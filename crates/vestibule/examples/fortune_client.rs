//! Asks a fortune server for fortunes, with signals and one event loop.
//!
//! It shows: connecting by name without blocking; a message that arrives in parts (what is not complete stays in the
//! socket); that the server's ordinary end is told as the error `RemoteHostClosed`; and using one socket again and again.
//!
//! ```sh
//! cargo run --package vestibule --example fortune_server -- 127.0.0.1:7777
//! cargo run --package vestibule --example fortune_client -- localhost 7777 3
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod fortune;

use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::rc::Rc;
use vestibule::{EventLoop, SocketError, TcpSocket};

/// What the client has to remember between two slots.
struct Client {
    host: String,
    port: u16,
    /// How many fortunes are still wanted.
    wanted: Cell<u32>,
    last: RefCell<String>,
    complaint: RefCell<Option<String>>,
}

impl Client {
    /// Asks for a fortune; a connection that is still there is given up.
    fn ask(&self, socket: &TcpSocket) {
        socket.abort();
        if let Err(error) = socket.connect_to_host(&self.host, self.port) {
            self.complaint.replace(Some(error.to_string()));
        }
    }

    /// Takes a fortune out of the socket, once all of it is there.
    fn read(&self, socket: &TcpSocket) {
        let mut told = None;
        socket.read_with(|bytes| {
            told = fortune::read(bytes);
            told.as_ref().and_then(|told| told.as_ref().ok()).map_or(0, |(_, length)| *length)
        });
        match told {
            None => {} // more will come
            // The same again: asking once more, see `ended`, costs nothing.
            Some(Ok((fortune, _))) if fortune == *self.last.borrow() => {}
            Some(Ok((fortune, _))) => {
                println!("{fortune}");
                self.last.replace(fortune);
                self.wanted.set(self.wanted.get() - 1);
            }
            Some(Err(garbled)) => {
                self.complaint.replace(Some(garbled.to_string()));
                socket.abort();
            }
        }
    }

    /// Whether there is nothing left to do.
    fn is_done(&self) -> bool {
        self.wanted.get() == 0 || self.complaint.borrow().is_some()
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(host), Some(port)) = (arguments.next(), arguments.next().and_then(|port| port.parse().ok()))
    else {
        eprintln!("usage: fortune_client HOST PORT [NUMBER]");
        return ExitCode::from(2);
    };
    let wanted = Cell::new(arguments.next().and_then(|number| number.parse().ok()).unwrap_or(1));
    let client = Client { host, port, wanted, last: RefCell::default(), complaint: RefCell::default() };
    match run(&Rc::new(client)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

fn run(client: &Rc<Client>) -> Result<(), String> {
    let event_loop = EventLoop::new().map_err(|error| error.to_string())?;
    let socket = TcpSocket::new(&event_loop);

    let reader = Rc::clone(client);
    socket.ready_read().connect(move |socket| reader.read(socket));

    let failing = Rc::clone(client);
    let quit = event_loop.handle();
    socket.error_occurred().connect(move |_, error| {
        // The server closes after each fortune: that is the end of the message, and not a failure.
        if error != SocketError::RemoteHostClosed {
            failing.complaint.replace(Some(format!("{}:{}: {error}", failing.host, failing.port)));
            quit.quit();
        }
    });

    let asking = Rc::clone(client);
    let quit = event_loop.handle();
    socket.disconnected().connect(move |socket| {
        if asking.is_done() {
            quit.quit();
        } else {
            asking.ask(socket);
        }
    });

    client.ask(&socket);
    if client.complaint.borrow().is_none() {
        event_loop.run().map_err(|error| error.to_string())?;
    }
    client.complaint.take().map_or(Ok(()), Err)
}
