use super::core::LoopCore;
use super::deadlines::later;
use super::event_loop_type::EventLoop;
use crate::driver::{Completion, Token};
use crate::server::ServerCore;
use crate::socket::{ReadBuffer, SocketCore};
use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

impl LoopCore {
    /// Waits at most so long, and does everything that is to be done then, once.
    pub(super) fn take_turn(self: &Rc<Self>, timeout: Option<Duration>) -> io::Result<()> {
        self.open()?;
        if self.in_turn() {
            self.posted.wake_for_the_rest();
            self.count_what_is_unread();
        }
        let _inside = self.enter();
        self.tell_and_flush();
        self.look_after_servers();
        self.begin_batches(); // last, because what was just closed lets them go on
        let timeout = self.until_next_work(timeout);
        self.wait_for_events(timeout)?;
        self.dispatch();
        self.departing.expire(self);
        self.watches.expire(self);
        self.timers.run_due(&EventLoop::lent(self));
        self.look_after_servers();
        self.tell_and_flush();
        #[cfg(feature = "metrics")]
        self.tell_metrics();
        Ok(())
    }

    /// Waits for events; first without sleeping, if that is wanted and has paid of late.
    fn wait_for_events(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut driver = self.driver.borrow_mut();
        if !self.spin.is_on() || timeout == Some(Duration::ZERO) {
            return driver.wait(timeout);
        }
        let began = driver.now();
        let until = self.spin.budget(timeout).map(|budget| later(began, budget));
        let mut now = began;
        while until.is_some_and(|until| now < until) {
            driver.wait(Some(Duration::ZERO))?;
            now = driver.now();
            if driver.has_events() {
                self.spin.waited(began, now);
                return Ok(());
            }
        }
        driver.wait(timeout.map(|timeout| timeout.saturating_sub(now.saturating_duration_since(began))))?;
        self.spin.waited(began, driver.now());
        Ok(())
    }

    /// What servers have to do beside accepting: answering other threads, draining, telling their states.
    fn look_after_servers(self: &Rc<Self>) {
        if self.posted.is_called_at_home() && self.posted.look_at_home() {
            self.attention.set(true);
        }
        if self.attention.get() {
            for server in self.staffed_with_requests() {
                server.answer_requests();
            }
        }
        if self.has_guests_to_drain() {
            self.drain_guests();
        }
        if !self.attention.get() {
            return;
        }
        // One by one, so that a panic leaves the others where they are; who is not done enters the list again.
        for server in each(&self.draining) {
            server.advance_drain();
        }
        for server in each(&self.stated) {
            server.tell_states();
        }
        let lists = [&self.waiting, &self.stated, &self.draining];
        let listed = lists.iter().any(|list| !list.borrow().is_empty());
        self.attention.set(listed || !self.staffed_with_requests().is_empty());
    }

    pub(super) fn staffed_with_requests(&self) -> Vec<Rc<ServerCore>> {
        let staffed = self.staffed.borrow();
        staffed.iter().filter_map(Weak::upgrade).filter(|server| server.has_requests()).collect()
    }

    /// Servers that used up their batch, or waited for descriptors, may accept again.
    fn begin_batches(self: &Rc<Self>) {
        let resting = self.resting.take();
        for server in resting.iter().filter_map(Weak::upgrade) {
            server.turn_began();
        }
        self.retry_waiting();
    }

    /// Servers whose back-off has passed, or for which a descriptor may be free now, try again.
    pub(super) fn retry_waiting(&self) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let now = self.driver.borrow().now();
        // In place: there may be no memory either.
        let number = self.waiting.borrow().len();
        for _ in 0..number {
            let server = self.waiting.borrow_mut().remove(0);
            if server.upgrade().is_some_and(|server| !server.goes_on(now)) {
                self.waiting.borrow_mut().push(server);
            }
        }
    }

    /// The time-out, cut to when there is something to do without any event.
    fn until_next_work(&self, timeout: Option<Duration>) -> Option<Duration> {
        if self.has_work() || self.quit.get() {
            return Some(Duration::ZERO);
        }
        let Some(deadline) = self.next_deadline() else { return timeout };
        let left = deadline.saturating_duration_since(self.driver.borrow().now());
        Some(timeout.map_or(left, |timeout| timeout.min(left)))
    }

    /// Whether something is to be done though nothing happens.
    pub(super) fn has_work(&self) -> bool {
        let sockets = !self.dirty.borrow().is_empty() || !self.telling.borrow().is_empty();
        sockets
            || !self.resting.borrow().is_empty()
            || self.posted.is_called_at_home()
            || self.has_guests_to_drain()
            || (self.attention.get() && self.has_work_of_servers())
    }

    fn has_work_of_servers(&self) -> bool {
        !self.stated.borrow().is_empty() || !self.staffed_with_requests().is_empty() || self.has_drained()
    }

    /// Whether a drain is over that nobody has looked at.
    fn has_drained(&self) -> bool {
        self.draining.borrow().iter().filter_map(Weak::upgrade).any(|server| server.has_drained())
    }

    /// When something is to be done though nothing happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let mut next = earlier(self.timers.next(), self.departing.next());
        next = earlier(next, self.watches.next());
        if self.attention.get() {
            next = earlier(next, earliest(&self.waiting, ServerCore::look_at));
            next = earlier(next, earliest(&self.draining, ServerCore::drain_deadline));
        }
        #[cfg(feature = "metrics")]
        let next = earlier(next, self.metrics_deadline());
        next
    }

    fn dispatch(self: &Rc<Self>) {
        let mut spare = None;
        loop {
            let mut buffer = spare.take().unwrap_or_else(|| self.buffers.read_buffer());
            let completion = self.driver.borrow_mut().next(buffer.room());
            let Some(completion) = completion else {
                self.buffers.give_read_buffer(buffer);
                return;
            };
            spare = self.complete(completion, buffer);
        }
    }

    /// Gives the buffer back unless what happened needed it.
    fn complete(
        self: &Rc<Self>,
        completion: Completion,
        mut buffer: Box<ReadBuffer>,
    ) -> Option<Box<ReadBuffer>> {
        match completion {
            Completion::Received(token, length) => {
                let Some(socket) = self.sockets.get(token) else {
                    self.departing.discarded(self, token, length);
                    return Some(buffer);
                };
                buffer.received(length);
                socket.deliver(buffer);
                return None;
            }
            Completion::Acceptable(token) => {
                if let Some(server) = self.servers.get(token) {
                    server.accept_batch();
                }
            }
            Completion::Connected(token, peer) => {
                if let Some(socket) = self.sockets.get(token) {
                    socket.connected(token, peer);
                    socket.tell();
                }
            }
            Completion::Writable(token) => {
                if let Some(socket) = self.sockets.get(token) {
                    socket.push_out();
                    socket.tell();
                } else {
                    self.departing.send_word(self, token);
                }
            }
            Completion::Ended(token) => match self.sockets.get(token) {
                Some(socket) => socket.peer_ended(),
                None => self.departing.end(self, token),
            },
            Completion::Failed(token, errno) if token.is_listener() => {
                if let Some(server) = self.servers.get(token) {
                    server.accept_failed(errno);
                }
            }
            Completion::Failed(token, errno) => match self.sockets.get(token) {
                Some(socket) => socket.connection_failed(token, errno),
                None => self.departing.end(self, token),
            },
            Completion::Broken(token) => match self.sockets.get(token) {
                Some(socket) => socket.connection_broke(token),
                None => self.departing.end(self, token),
            },
            Completion::Woken => {
                self.attention.set(true); // perhaps a server is asked for something
                self.posted.run(self);
            }
        }
        Some(buffer)
    }

    /// Tells what waits to be told and sends what was written; what that brings about is for the next round.
    fn tell_and_flush(self: &Rc<Self>) {
        let number = self.telling.borrow().len();
        for _ in 0..number {
            let Some(socket) = self.telling.borrow_mut().pop_front() else {
                break;
            };
            socket.tell_deferred();
        }
        self.flush_dirty(SocketCore::tell);
    }

    /// Sends what was written, and has each socket tell what came of it, now or later.
    pub(super) fn flush_dirty(&self, tell: impl Fn(&Rc<SocketCore>)) {
        let number = self.dirty.borrow().len();
        for _ in 0..number {
            let Some(socket) = self.dirty.borrow_mut().pop_front() else {
                break;
            };
            socket.flush_at_end();
            tell(&socket);
        }
    }

    /// Closes a connection of which nothing is buffered any more, so that every byte that was sent arrives.
    ///
    /// `sent` is how much went out in all, `ended` whether the peer has ended and everything of it was received.
    pub(crate) fn end_gracefully(&self, token: Token, sent: u32, ended: bool) {
        if ended {
            return self.close(token);
        }
        let mut buffer = self.buffers.read_buffer();
        let received = {
            let mut driver = self.driver.borrow_mut();
            driver.shut_down(token);
            driver.receive(token, buffer.room())
        };
        self.buffers.give_read_buffer(buffer);
        match received {
            Err(rustix::io::Errno::AGAIN) if sent <= SAFE_TO_CLOSE => self.close(token),
            Err(rustix::io::Errno::AGAIN) => self.departing.linger(self, token, 0),
            Ok(0) | Err(_) => self.close(token),
            Ok(length) => self.departing.linger(self, token, length),
        }
    }

    /// Closes at once.
    pub(crate) fn close(&self, token: Token) {
        let transport = self.driver.borrow_mut().remove(token);
        drop(transport);
    }
}

/// Takes the servers that are in a list now out of it, each when its turn comes.
fn each(list: &RefCell<Vec<Weak<ServerCore>>>) -> impl Iterator<Item = Rc<ServerCore>> {
    let number = list.borrow().len();
    let first = || {
        let mut list = list.borrow_mut();
        if list.is_empty() { None } else { Some(list.remove(0)) }
    };
    (0..number).map_while(move |_| first()).filter_map(|server| server.upgrade())
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn earliest(
    servers: &RefCell<Vec<Weak<ServerCore>>>,
    at: impl Fn(&ServerCore) -> Option<Instant>,
) -> Option<Instant> {
    servers.borrow().iter().filter_map(Weak::upgrade).filter_map(|server| at(&server)).min()
}

/// So much fits into what a peer takes in before it has acknowledged anything: closing at once cannot cut it off.
const SAFE_TO_CLOSE: u32 = 16 << 10;
