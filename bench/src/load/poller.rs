//! What waits for sockets.

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

const BATCH: usize = 512;

/// What happened to one socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happening {
    pub(crate) number: usize,
    pub(crate) is_writable: bool,
    /// The peer sends nothing more.
    pub(crate) has_ended: bool,
    pub(crate) has_failed: bool,
}

/// An epoll instance, edge-triggered: a client knows what it has read.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(BATCH) })
    }

    /// Tells from now on when something arrives at the socket.
    pub(crate) fn add(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(number as u64), flags(false))?)
    }

    /// Whether it tells also when the socket takes bytes.
    pub(crate) fn watch_writing(&self, socket: impl AsFd, number: usize, wanted: bool) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(number as u64), flags(wanted))?)
    }

    /// Like `wait`, but wakes up at the right microsecond: epoll is rounded up to milliseconds.
    pub(crate) fn wait_exactly(&mut self, limit: Duration) -> io::Result<usize> {
        let timeout = Timespec::try_from(limit).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => self.wait(Duration::ZERO),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until something happened or the time is over; returns how much happened.
    pub(crate) fn wait(&mut self, limit: Duration) -> io::Result<usize> {
        let timeout = Timespec::try_from(limit).map_err(io::Error::other)?;
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(self.events.len()),
            Err(error) => Err(error.into()),
        }
    }

    /// One of the things that happened.
    pub(crate) fn happening(&self, index: usize) -> Option<Happening> {
        let event = self.events.get(index)?;
        let (flags, data) = (event.flags, event.data); // fields of a packed structure cannot be borrowed
        Some(Happening {
            number: usize::try_from(data.u64()).ok()?,
            is_writable: flags.contains(epoll::EventFlags::OUT),
            has_ended: flags.contains(epoll::EventFlags::RDHUP),
            has_failed: flags.contains(epoll::EventFlags::ERR),
        })
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn flags(writing: bool) -> epoll::EventFlags {
    let reading = epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
    if writing { reading | epoll::EventFlags::OUT } else { reading }
}
