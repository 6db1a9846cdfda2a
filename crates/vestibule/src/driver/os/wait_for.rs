use super::calls::{END_OF_PEER, timespec};
use super::connection as bits;
use super::os_driver::OsDriver;
use super::poller::Poller;
use crate::driver::{Completion, Interest, Over, Readiness, Token};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// Waiting for some objects alone: ppoll on their descriptors.
impl OsDriver {
    /// Waits for these objects, and if asked to for the waker; events of all others are left for later.
    pub(in crate::driver) fn wait_for(
        &mut self,
        interests: &[Interest],
        waker: bool,
        timeout: Option<Duration>,
        ready: &mut Vec<Readiness>,
    ) -> io::Result<()> {
        ready.clear();
        let mut waited = Vec::with_capacity(interests.len());
        let mut polled = Vec::with_capacity(interests.len() + 1);
        for interest in interests {
            if let Some(descriptor) = self.descriptor(interest.token) {
                waited.push(*interest);
                polled.push(PollFd::from_borrowed_fd(descriptor, self.poll_flags(*interest)));
            }
        }
        // At the end, so that what was waited for and what was polled stay side by side.
        let waker = self.opened.as_ref().filter(|_| waker).map(|opened| Arc::clone(&opened.waker));
        if let Some(waker) = &waker {
            polled.push(PollFd::from_borrowed_fd((**waker).as_fd(), PollFlags::IN));
        }
        match rustix::event::poll(&mut polled, timespec(timeout).as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
        let found: Vec<_> = waited.into_iter().zip(polled.iter().map(PollFd::revents)).collect();
        for (interest, events) in found {
            ready.extend(self.readiness(interest, events));
        }
        Ok(())
    }

    fn readiness(&mut self, interest: Interest, events: PollFlags) -> Option<Readiness> {
        let token = interest.token;
        let broken = events.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
        let readable = interest.readable && (broken || events.contains(PollFlags::IN));
        let writable = interest.writable && (broken || events.contains(PollFlags::OUT));
        let mut over = None;
        if interest.end && !events.is_empty() {
            over = match self.connection(token) {
                // Receiving would not tell what comes behind the unread bytes.
                Some(connection) if broken => Some(Over::Failed(connection.noted_error())),
                _ if events.contains(END_OF_PEER) => {
                    self.end_of_unread(token, Poller::TELLS_END_ALONE).map(|completion| match completion {
                        Completion::Failed(_, errno) => Over::Failed(errno),
                        _ => Over::Ended,
                    })
                }
                _ => None,
            };
        }
        (readable || writable || over.is_some()).then_some(Readiness { token, readable, writable, over })
    }

    fn poll_flags(&self, interest: Interest) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, interest.readable);
        flags.set(PollFlags::OUT, interest.writable);
        let known = bits::END_BEHIND_DATA | bits::UNREAD | bits::ENDED;
        let end = interest.end && self.connection(interest.token).is_some_and(|it| !it.has(known));
        if end {
            flags.insert(END_OF_PEER);
        }
        flags
    }

    pub(super) fn descriptor(&self, token: Token) -> Option<BorrowedFd<'_>> {
        let (slot, generation) = (token.slot(), token.generation());
        if token.is_listener() {
            self.listeners.get(slot, generation).map(|listener| (*listener.descriptor).as_fd())
        } else {
            self.connections.get(slot, generation).map(|connection| connection.descriptor.as_fd())
        }
    }
}
