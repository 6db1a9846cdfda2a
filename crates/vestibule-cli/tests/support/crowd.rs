//! Thousands of clients of an echo server on one epoll instance; each sends its number and wants it back.

use super::LIMIT;
use super::far_end::await_arrival;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Connecting,
    Waiting,
    Answered,
    Gone,
}

struct Client {
    stream: Option<TcpStream>,
    received: Vec<u8>,
    progress: Progress,
}

/// All clients.
pub struct Crowd {
    server: SocketAddr,
    poller: OwnedFd,
    events: Vec<epoll::Event>,
    clients: Vec<Client>,
    /// Those that have an answer and were not told to leave, the first one first.
    present: VecDeque<usize>,
    /// How many are connected as far as they know, or were.
    pub connected: usize,
    /// How many have got their answer.
    pub served: usize,
    /// Whether the server may end connections.
    pub awaits_end: bool,
    /// How many it has ended, and not reset.
    pub ended: usize,
    /// What went wrong.
    pub trouble: Vec<String>,
}

impl Crowd {
    pub fn of(server: SocketAddr) -> Self {
        Self {
            server,
            poller: epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
            events: Vec::with_capacity(1024),
            clients: Vec::new(),
            present: VecDeque::new(),
            connected: 0,
            served: 0,
            awaits_end: false,
            ended: 0,
            trouble: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// How many have an answer and were not told to leave.
    pub fn present(&self) -> usize {
        self.present.len()
    }

    /// So many more begin to connect. Those before them go on meanwhile, so that the server meets no silent
    /// crowd.
    pub fn join(&mut self, number: usize) {
        for _ in 0..number {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let family = AddressFamily::INET;
            let socket = socket_with(family, SocketType::STREAM, flags, None).unwrap();
            match connect(&socket, &self.server) {
                Ok(()) | Err(Errno::INPROGRESS) => {}
                Err(error) => panic!("client {} cannot connect: {error}", self.clients.len()),
            }
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            let data = epoll::EventData::new_u64(self.clients.len() as u64);
            epoll::add(&self.poller, &socket, data, flags).unwrap();
            let stream = Some(TcpStream::from(socket));
            self.clients.push(Client { stream, received: Vec::new(), progress: Progress::Connecting });
            self.turn(Duration::ZERO);
        }
    }

    /// Waits until all that clients did has arrived.
    pub fn await_arrival(&self) {
        self.clients.iter().filter_map(|client| client.stream.as_ref()).for_each(await_arrival);
    }

    /// Lets clients go on; returns when something happened or the time is over.
    pub fn turn(&mut self, limit: Duration) {
        self.events.clear();
        let timeout = Timespec::try_from(limit).unwrap();
        let buffer = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.poller, buffer, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("cannot wait: {error}"),
        }
        for event in std::mem::take(&mut self.events) {
            let number = usize::try_from(event.data.u64()).unwrap();
            let flags = event.flags; // a field of a packed structure cannot be borrowed
            self.advance(number, flags.intersects(epoll::EventFlags::OUT | epoll::EventFlags::ERR));
        }
        self.events.reserve(1024);
    }

    fn advance(&mut self, number: usize, writable: bool) {
        let client = &mut self.clients[number];
        let Some(stream) = &mut client.stream else { return };
        if client.progress == Progress::Connecting && writable {
            match stream.write(&number.to_be_bytes()) {
                Ok(length) => assert_eq!(length, size_of::<usize>()),
                Err(error) => return self.lose(number, &format!("cannot be connected: {error}")),
            }
            client.progress = Progress::Waiting;
            self.connected += 1;
        }
        if client.progress == Progress::Connecting {
            return;
        }
        let mut bytes = [0; 64];
        loop {
            let client = &mut self.clients[number];
            let Some(stream) = &mut client.stream else { return };
            match stream.read(&mut bytes) {
                Ok(0) => return self.see_the_end(number),
                Ok(length) => client.received.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.lose(number, &error.to_string()),
            }
            self.look_at_answer(number);
        }
    }

    fn look_at_answer(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if !number.to_be_bytes().starts_with(&client.received) {
            self.lose(number, "gets what it has not sent");
        } else if client.received.len() == size_of::<usize>() {
            client.progress = Progress::Answered;
            self.served += 1;
            self.present.push_back(number);
        }
    }

    fn see_the_end(&mut self, number: usize) {
        if self.awaits_end && self.clients[number].progress == Progress::Answered {
            self.ended += 1;
            self.leaves(number);
        } else {
            self.lose(number, "sees the end");
        }
    }

    fn lose(&mut self, number: usize, why: &str) {
        self.trouble.push(format!("client {number}, {:?}: {why}", self.clients[number].progress));
        self.leaves(number);
    }

    fn leaves(&mut self, number: usize) {
        self.clients[number].stream = None;
        self.clients[number].progress = Progress::Gone;
    }

    /// The one of those present that has been served first closes its connection.
    pub fn first_leaves(&mut self) {
        let number = self.present.pop_front().expect("someone is present");
        self.leaves(number);
    }

    /// Lets clients go on until it is so.
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(self.trouble.is_empty(), "{:?}", self.trouble);
            let (of, connected, served) = (self.len(), self.connected, self.served);
            let so_far = || format!("of {of} clients {connected} are connected and {served} served");
            assert!(begun.elapsed() < LIMIT, "waited in vain until {what}; {}", so_far());
            self.turn(Duration::from_millis(100));
        }
        assert!(self.trouble.is_empty(), "{:?}", self.trouble);
    }

    /// All leave as soon as they are served, until all have been.
    pub fn until_all_are_served(&mut self) {
        let all = self.len();
        self.until("all are served", |crowd| {
            while crowd.present() > 0 {
                crowd.first_leaves();
            }
            crowd.served == all
        });
    }
}
