//! Lasting connections that echo.

use super::connection::{Connection, open};
use super::latency::Latency;
use super::limits::{Limits, STALL};
use super::pattern::{LONGEST, Pattern};
use super::poller::Poller;
use super::schedule::Schedule;
use crate::Outcome;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

/// How many connect at once: fewer than the shortest backlog of a server.
const WINDOW: usize = 32;

/// So many connections, each of which has echoed once.
pub(crate) struct Crowd {
    poller: Poller,
    pattern: Pattern,
    buffer: Vec<u8>,
    connections: Vec<Connection>,
    /// The number of a connection for each message that came back in this turn.
    pub(crate) answered: Vec<usize>,
    pub(crate) latency: Latency,
}

impl Crowd {
    /// Connects, a few at a time, and lets everyone echo once.
    pub(crate) fn gather(address: SocketAddrV4, size: usize, message: usize) -> Outcome<Self> {
        let buffer = vec![0; if message > 4096 { LONGEST } else { 4096 }];
        let mut crowd = Self {
            poller: Poller::new()?,
            pattern: Pattern::new(),
            buffer,
            connections: Vec::with_capacity(size),
            answered: Vec::new(),
            latency: Latency::new()?,
        };
        let mut echoed = 0;
        while echoed < size {
            while crowd.connections.len() < size.min(echoed + WINDOW) {
                crowd.join(address, message)?;
            }
            crowd.turn_or_fail()?;
            echoed += crowd.answered.len();
        }
        crowd.latency.forget();
        Ok(crowd)
    }

    fn join(&mut self, address: SocketAddrV4, message: usize) -> Outcome<()> {
        let number = self.connections.len();
        let connection = Connection::new(open(address)?, message, number as u64 * 977);
        self.poller.add(&connection, number)?;
        self.connections.push(connection);
        self.ask(number, Instant::now())
    }

    /// One connection sends one more message, which was due at this time.
    pub(crate) fn ask(&mut self, number: usize, due: Instant) -> Outcome<()> {
        let Some(connection) = self.connections.get_mut(number) else { return Ok(()) };
        if !connection.ask(&self.pattern, due)? {
            self.poller.watch_writing(&self.connections[number], number, true)?;
        }
        Ok(())
    }

    /// Waits at most so long, and takes what has come. False when nothing happened.
    pub(crate) fn turn(&mut self, limit: Duration) -> Outcome<bool> {
        self.answered.clear();
        let number = self.poller.wait(limit)?;
        for index in 0..number {
            self.handle(index)?;
        }
        Ok(number > 0)
    }

    fn turn_or_fail(&mut self) -> Outcome<()> {
        if self.turn(STALL)? { Ok(()) } else { Err("nothing comes back any more".into()) }
    }

    fn handle(&mut self, index: usize) -> Outcome<()> {
        let Some(happening) = self.poller.happening(index) else { return Ok(()) };
        let number = happening.number;
        let Some(connection) = self.connections.get_mut(number) else { return Ok(()) };
        if happening.is_writable && connection.flush(&self.pattern)? {
            self.poller.watch_writing(&*connection, number, false)?;
        }
        let completed = connection.hear(&self.pattern, &mut self.buffer, &mut self.latency)?;
        self.answered.extend(std::iter::repeat_n(number, completed));
        Ok(())
    }

    /// Everyone has so many messages on the way, again and again. Returns how many came back.
    pub(crate) fn converse(&mut self, depth: usize, limits: Limits) -> Outcome<u64> {
        let begun = Instant::now();
        let (mut started, mut finished) = (0, 0);
        for number in (0..self.connections.len()).cycle().take(depth * self.connections.len()) {
            if limits.allow(started, begun, begun) {
                self.ask(number, Instant::now())?;
                started += 1;
            }
        }
        while finished < started {
            self.turn_or_fail()?;
            finished += self.answered.len() as u64;
            let now = Instant::now();
            for index in 0..self.answered.len() {
                if limits.allow(started, begun, now) {
                    self.ask(self.answered[index], Instant::now())?;
                    started += 1;
                }
            }
        }
        Ok(finished)
    }

    /// Messages are sent when they are due, by one connection after the other. Returns how many came back.
    pub(crate) fn follow(&mut self, schedule: &Schedule) -> Outcome<u64> {
        let (mut started, mut finished) = (0, 0);
        let mut progress = Instant::now();
        while finished < schedule.arrivals() {
            let now = Instant::now();
            while let Some(due) = schedule.due(started).filter(|due| *due <= now) {
                self.ask(usize::try_from(started)? % self.connections.len(), due)?;
                started += 1;
            }
            // It does not sleep: it would oversleep.
            if self.turn(Duration::ZERO)? {
                progress = now;
            } else if now.duration_since(progress) > STALL {
                return Err("nothing comes back any more".into());
            }
            finished += self.answered.len() as u64;
        }
        Ok(finished)
    }

    /// Tells also, with a number that no connection has, when something happened to another load.
    pub(crate) fn watch(&self, other: &Poller) -> Outcome<()> {
        Ok(self.poller.add(other, usize::MAX)?)
    }
}
