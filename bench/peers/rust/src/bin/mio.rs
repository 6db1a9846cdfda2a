//! An event loop written by hand on mio: edge-triggered, one read buffer for all connections.

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use peers::{Arguments, FORTUNE, Outcome, announce};
use slab::Slab;
use std::io::{self, ErrorKind, Read, Write};

const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    /// What the socket did not take yet.
    rest: Vec<u8>,
}

/// What becomes of a connection after an event.
#[derive(PartialEq)]
enum Fate {
    Lasts,
    Ends,
}

struct Server {
    listener: TcpListener,
    connections: Slab<Connection>,
    buffer: Vec<u8>,
    fortune: bool,
}

fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    let mut poll = Poll::new()?;
    // Its backlog is what the system allows.
    let mut listener = TcpListener::bind(arguments.address())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let buffer = vec![0; arguments.buffer];
    let mut server = Server { listener, connections: Slab::new(), buffer, fortune: arguments.fortune };
    announce()?;
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                server.accept(poll.registry())?;
            } else {
                server.advance(event);
            }
        }
    }
}

impl Server {
    fn accept(&mut self, registry: &Registry) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if is_transient(&error) => continue,
                Err(error) => return Err(error),
            };
            let entry = self.connections.vacant_entry();
            let number = entry.key();
            let connection = entry.insert(Connection { stream, rest: Vec::new() });
            let interest = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut connection.stream, Token(number), interest)?;
            let fate = if self.fortune { connection.tell() } else { connection.greet() };
            if fate == Fate::Ends {
                self.connections.remove(number);
            }
        }
    }

    fn advance(&mut self, event: &Event) {
        let number = event.token().0;
        // An event of a connection that ended earlier in this turn.
        let Some(connection) = self.connections.get_mut(number) else { return };
        let fate =
            if self.fortune { connection.flush_and_end() } else { connection.echo(&mut self.buffer, event) };
        if fate == Fate::Ends {
            self.connections.remove(number);
        }
    }
}

impl Connection {
    fn greet(&self) -> Fate {
        let _ = self.stream.set_nodelay(true);
        Fate::Lasts
    }

    fn tell(&mut self) -> Fate {
        match self.send(FORTUNE) {
            Ok(()) if !self.rest.is_empty() => Fate::Lasts,
            _ => Fate::Ends,
        }
    }

    fn flush_and_end(&mut self) -> Fate {
        let rest = std::mem::take(&mut self.rest);
        match self.send(&rest) {
            Ok(()) if !self.rest.is_empty() => Fate::Lasts,
            _ => Fate::Ends,
        }
    }

    /// Echoes until there is nothing more to read or no room to write.
    fn echo(&mut self, buffer: &mut [u8], event: &Event) -> Fate {
        let rest = std::mem::take(&mut self.rest);
        if self.send(&rest).is_err() {
            return Fate::Ends;
        }
        while self.rest.is_empty() {
            match self.stream.read(buffer) {
                Ok(0) => return Fate::Ends,
                Ok(length) if self.send(&buffer[..length]).is_err() => return Fate::Ends,
                // A short read empties the socket; only an end that is there already gives no new event.
                Ok(length) if length < buffer.len() && !event.is_read_closed() => return Fate::Lasts,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Fate::Lasts,
                Err(error) if error.kind() != ErrorKind::Interrupted => return Fate::Ends,
                _ => {}
            }
        }
        Fate::Lasts
    }

    /// Writes what the socket takes; the remainder waits for the next writable event.
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.rest = bytes.to_vec();
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}
