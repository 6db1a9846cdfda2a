//! All clients of a server, on one epoll instance.

use crate::client::{Client, Progress};
use crate::conversation::Conversation;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How many clients have come how far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Census {
    pub(crate) connecting: usize,
    pub(crate) waiting: usize,
    /// Those that had an answer, also when they have left.
    pub(crate) served: usize,
    pub(crate) lost: usize,
}

impl Census {
    /// Those that have neither an answer nor a reason to give up.
    pub(crate) fn hopeful(self) -> usize {
        self.connecting + self.waiting
    }
}

/// The clients of one server.
pub(crate) struct Crowd {
    poller: OwnedFd,
    events: Vec<epoll::Event>,
    clients: Vec<Client>,
    /// Those that have an answer and were not told to leave, the first one first.
    served: VecDeque<usize>,
}

impl Crowd {
    /// So many clients begin to connect.
    pub(crate) fn gather(address: SocketAddr, size: usize, conversation: Conversation) -> io::Result<Self> {
        let mut crowd = Self {
            poller: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(size),
            clients: Vec::with_capacity(size),
            served: VecDeque::with_capacity(size),
        };
        for number in 0..size {
            let client = Client::connect(address, number, conversation)?;
            crowd.watch(number, &client)?;
            crowd.clients.push(client);
            // The first ones ask while the later ones connect: a server is not to meet a crowd that is silent.
            crowd.turn(Duration::ZERO)?;
        }
        Ok(crowd)
    }

    fn watch(&self, number: usize, client: &Client) -> Result<(), Errno> {
        let Some(descriptor) = client.descriptor() else { return Ok(()) };
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.poller, descriptor, epoll::EventData::new_u64(number as u64), flags)
    }

    /// Lets clients go on; returns when something happened or the time is over.
    fn turn(&mut self, limit: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(limit).map_err(io::Error::other)?;
        self.events.clear();
        let buffer = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.poller, buffer, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let number = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
            let Some(client) = self.clients.get_mut(number) else { continue };
            let before = client.progress();
            let flags = event.flags; // a field of a packed structure cannot be borrowed
            client.advance(flags.intersects(epoll::EventFlags::OUT | epoll::EventFlags::ERR));
            let served_now = matches!(client.progress(), Progress::Answered | Progress::Gone);
            if served_now && matches!(before, Progress::Connecting | Progress::Waiting) {
                self.served.push_back(number);
            }
        }
        Ok(())
    }

    /// Goes on until nobody has been served or lost for so long; false when that takes longer than the limit.
    pub(crate) fn settle(&mut self, quiet: Duration, limit: Duration) -> io::Result<bool> {
        let begun = Instant::now();
        let (mut hopeful, mut since) = (self.census().hopeful(), begun);
        while begun.elapsed() < limit {
            let left = quiet.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Ok(true);
            }
            self.turn(left)?;
            let now_hopeful = self.census().hopeful();
            if now_hopeful != hopeful {
                (hopeful, since) = (now_hopeful, Instant::now());
            }
        }
        Ok(false)
    }

    /// One served client leaves; how long it then takes until another one is served. None after the limit.
    pub(crate) fn release_one(&mut self, limit: Duration) -> io::Result<Option<Duration>> {
        // What has happened already is not what the release causes.
        self.turn(Duration::ZERO)?;
        if !self.dismiss_first() {
            return Ok(None);
        }
        let begun = Instant::now();
        let served_before = self.census().served;
        while begun.elapsed() < limit {
            self.turn(limit.saturating_sub(begun.elapsed()))?;
            let wait = begun.elapsed();
            if self.census().served > served_before {
                return Ok(Some(wait));
            }
        }
        Ok(None)
    }

    /// Each client leaves as soon as it is served, until nobody waits or the limit is reached.
    pub(crate) fn release_all(&mut self, limit: Duration) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            while self.dismiss_first() {}
            if self.census().hopeful() == 0 || begun.elapsed() >= limit {
                return Ok(());
            }
            self.turn(limit.saturating_sub(begun.elapsed()))?;
        }
    }

    /// The one that was served first and is still there leaves; false when there is none.
    fn dismiss_first(&mut self) -> bool {
        while let Some(number) = self.served.pop_front() {
            match self.clients.get_mut(number) {
                Some(client) if client.progress() == Progress::Answered => {
                    client.end();
                    return true;
                }
                _ => {} // the server has closed it
            }
        }
        false
    }

    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        for client in &self.clients {
            match client.progress() {
                Progress::Connecting => census.connecting += 1,
                Progress::Waiting => census.waiting += 1,
                Progress::Answered | Progress::Gone => census.served += 1,
                Progress::Lost => census.lost += 1,
            }
        }
        census
    }
}
