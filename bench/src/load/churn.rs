//! Connections that come and go.

use super::connection::{Connection, begin, open};
use super::latency::Latency;
use super::page::Page;
use super::pattern::Pattern;
use super::poller::{Happening, Poller};
use crate::Outcome;
use crate::mode::Exchange;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

const FORTUNE: &[u8] = b"Fortune cookie!\n";
const MESSAGE: usize = 64;

/// What becomes of a socket when its connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is reset, and connects again: twice as fast for the client.
    Hot,
    /// It is closed.
    Cold,
}

/// A place for one connection after the other.
#[derive(Debug)]
struct Slot {
    connection: Option<Connection>,
    /// Whether something is expected of it: a dissolved connection has events, too.
    is_busy: bool,
    /// How much of the fortune was told.
    told: usize,
    page: Page,
    due: Instant,
}

/// All short connections of a client.
pub(crate) struct Churn {
    address: SocketAddrV4,
    exchange: Exchange,
    ending: Ending,
    pub(crate) poller: Poller,
    pattern: Pattern,
    slots: Vec<Slot>,
    /// Those without a connection.
    free: Vec<usize>,
    pub(crate) latency: Latency,
    /// How many sockets did not let themselves be used again.
    pub(crate) renewed: u64,
    /// How many connections ended.
    pub(crate) finished: u64,
}

impl Churn {
    pub(crate) fn new(address: SocketAddrV4, exchange: Exchange, ending: Ending) -> Outcome<Self> {
        Ok(Self {
            address,
            exchange,
            ending,
            poller: Poller::new()?,
            pattern: Pattern::new(),
            slots: Vec::new(),
            free: Vec::new(),
            latency: Latency::new()?,
            renewed: 0,
            finished: 0,
        })
    }

    /// How many connections are there.
    pub(crate) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// One more connection begins, which was due at this time.
    pub(crate) fn start(&mut self, due: Instant) -> Outcome<()> {
        let number = self.free.pop().unwrap_or(self.slots.len());
        if number == self.slots.len() {
            self.slots.push(Slot { connection: None, is_busy: false, told: 0, page: Page::default(), due });
        }
        self.connect(number)?;
        let slot = &mut self.slots[number];
        (slot.is_busy, slot.told, slot.due) = (true, 0, due);
        let Some(connection) = &mut slot.connection else { return Ok(()) };
        let all_has_gone = match self.exchange {
            Exchange::Fortune => true,
            Exchange::Echo => connection.ask(&self.pattern, due)?,
            Exchange::Page => {
                slot.page.begin();
                slot.page.ask(&connection.socket)?
            }
        };
        if !all_has_gone {
            self.poller.watch_writing(&*connection, number, true)?;
        }
        Ok(())
    }

    fn connect(&mut self, number: usize) -> Outcome<()> {
        let slot = &mut self.slots[number];
        if let Some(connection) = &slot.connection {
            if begin(&connection.socket, self.address).is_ok() {
                return Ok(());
            }
            self.renewed += 1;
        }
        let connection = Connection::new(open(self.address)?, MESSAGE, number as u64 * 977);
        self.poller.add(&connection, number)?;
        slot.connection = Some(connection);
        Ok(())
    }

    /// Waits at most so long, and takes what has come. False when nothing happened.
    pub(crate) fn turn(&mut self, limit: Duration) -> Outcome<bool> {
        let number = self.poller.wait(limit)?;
        self.take(number)
    }

    /// The same, and wakes up at the right microsecond.
    pub(crate) fn turn_exactly(&mut self, limit: Duration) -> Outcome<bool> {
        let number = self.poller.wait_exactly(limit)?;
        self.take(number)
    }

    fn take(&mut self, number: usize) -> Outcome<bool> {
        for index in 0..number {
            let Some(happening) = self.poller.happening(index) else { continue };
            if !self.slots.get(happening.number).is_some_and(|slot| slot.is_busy) {
                continue;
            }
            let is_over = match self.exchange {
                Exchange::Fortune => self.listen(happening)?,
                Exchange::Echo => self.hear(happening)?,
                Exchange::Page => self.read(happening)?,
            };
            if is_over {
                self.end(happening.number);
            }
        }
        Ok(number > 0)
    }

    /// True when the fortune was told, and its end.
    fn listen(&mut self, happening: Happening) -> Outcome<bool> {
        let Some(slot) = self.slots.get_mut(happening.number) else { return Ok(false) };
        let Some(connection) = &slot.connection else { return Ok(false) };
        let mut buffer = [0; 2 * FORTUNE.len()];
        let has_ended = match recv(&connection.socket, &mut buffer, RecvFlags::empty()) {
            Ok((0, _)) => true,
            Ok((length, _)) => {
                if FORTUNE.get(slot.told..slot.told + length) != Some(&buffer[..length]) {
                    return Err("a wrong fortune".into());
                }
                slot.told += length;
                happening.has_ended && !happening.has_failed
            }
            Err(Errno::AGAIN) => false,
            Err(error) => return Err(format!("cannot receive a fortune: {error}").into()),
        };
        if has_ended && slot.told < FORTUNE.len() {
            return Err("a fortune is cut off".into());
        }
        if has_ended {
            self.latency.record(slot.due, Instant::now());
        }
        Ok(has_ended)
    }

    /// True when the message has come back.
    fn hear(&mut self, happening: Happening) -> Outcome<bool> {
        let Some(slot) = self.slots.get_mut(happening.number) else { return Ok(false) };
        let Some(connection) = &mut slot.connection else { return Ok(false) };
        if happening.is_writable && connection.flush(&self.pattern)? {
            self.poller.watch_writing(&*connection, happening.number, false)?;
        }
        let mut buffer = [0; 2 * MESSAGE];
        Ok(connection.hear(&self.pattern, &mut buffer, &mut self.latency)? > 0)
    }

    /// True when the page was read, and the end.
    fn read(&mut self, happening: Happening) -> Outcome<bool> {
        let Some(slot) = self.slots.get_mut(happening.number) else { return Ok(false) };
        let Some(connection) = &slot.connection else { return Ok(false) };
        if happening.is_writable && slot.page.ask(&connection.socket)? {
            self.poller.watch_writing(connection, happening.number, false)?;
        }
        let has_ended = slot.page.hear(&connection.socket)?;
        if has_ended {
            self.latency.record(slot.due, Instant::now());
        }
        Ok(has_ended)
    }

    fn end(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        slot.is_busy = false;
        if self.ending == Ending::Cold {
            slot.connection = None;
        } else if slot.connection.as_mut().is_some_and(|connection| connection.dissolve().is_err()) {
            slot.connection = None;
            self.renewed += 1;
        }
        self.free.push(number);
        self.finished += 1;
    }
}
