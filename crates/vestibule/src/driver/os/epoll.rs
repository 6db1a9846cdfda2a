use super::change_list::ChangeList;
use super::connection::{self as bits, Armed, Connection, retried};
use super::listener::{self, ListenFailure, ListenRequest, Listener};
use super::waker::Waker;
use crate::address::Endpoint;
use crate::driver::slots::Slots;
use crate::driver::{Completion, Interest, Over, Readiness, Token, Transport};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How many events one wait can tell.
const EVENTS: usize = 1024;
/// What epoll gives back for the waker; no token has this number.
const WAKER: u64 = u64::MAX;

/// The driver for Linux: level-triggered epoll.
#[derive(Default)]
pub(crate) struct Epoll {
    opened: Option<Opened>,
    connections: Slots<Connection>,
    listeners: Slots<Listener>,
    changed_connections: ChangeList,
    changed_listeners: ChangeList,
    events: Vec<Event>,
    at: usize,
    refused: Vec<(Token, Errno)>,
    released: bool,
}

/// The descriptors of the loop itself, made on first need.
struct Opened {
    epoll: Rc<OwnedFd>,
    waker: Arc<Waker>,
}

impl Epoll {
    /// Makes the loop's own descriptors, unless they are there.
    pub(in crate::driver) fn open(&mut self) -> io::Result<(Rc<OwnedFd>, Arc<Waker>)> {
        if let Some(opened) = &self.opened {
            return Ok((Rc::clone(&opened.epoll), Arc::clone(&opened.waker)));
        }
        let epoll = Rc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let waker = Arc::new(Waker::new()?);
        epoll::add(&epoll, &*waker, EventData::new_u64(WAKER), EventFlags::IN)?;
        self.events.reserve_exact(EVENTS);
        self.opened = Some(Opened { epoll: Rc::clone(&epoll), waker: Arc::clone(&waker) });
        Ok((epoll, waker))
    }

    pub(in crate::driver) fn listen(
        &mut self,
        request: &ListenRequest,
    ) -> Result<(Token, Endpoint), ListenFailure> {
        let (descriptor, endpoint) = listener::listen(request)?;
        Ok((self.insert_listener(descriptor), endpoint))
    }

    pub(in crate::driver) fn adopt_listener(
        &mut self,
        descriptor: OwnedFd,
    ) -> Result<(Token, Endpoint), (Errno, OwnedFd)> {
        match listener::check_listening(&descriptor) {
            Ok(endpoint) => Ok((self.insert_listener(descriptor), endpoint)),
            Err(errno) => Err((errno, descriptor)),
        }
    }

    fn insert_listener(&mut self, descriptor: OwnedFd) -> Token {
        let (slot, generation) = self.listeners.insert(Listener::new(descriptor));
        Token::listener(slot, generation)
    }

    pub(in crate::driver) fn listener_descriptor(&self, token: Token) -> Option<Rc<OwnedFd>> {
        let listener = self.listeners.get(token.slot(), token.generation())?;
        Some(Rc::clone(&listener.descriptor))
    }

    pub(in crate::driver) fn grant_accepts(&mut self, token: Token, credit: u32, blocking: bool) {
        if let Some(listener) = self.listeners.get_mut(token.slot(), token.generation()) {
            listener.credit = credit;
            listener.blocking = blocking;
            if listener.armed != listener.wanted() {
                self.changed_listeners.add(token.slot());
            }
        }
    }

    pub(in crate::driver) fn accept(&mut self, token: Token) -> Result<(Transport, SocketAddr), Errno> {
        let listener = self.listeners.get(token.slot(), token.generation());
        listener.ok_or(Errno::BADF)?.accept()
    }

    pub(in crate::driver) fn adopt(&mut self, descriptor: OwnedFd, shared: bool) -> Token {
        let (slot, generation) = self.connections.insert(Connection::new(descriptor, shared));
        self.changed_connections.add(slot as usize);
        Token::connection(slot, generation)
    }

    fn connection(&self, token: Token) -> Option<&Connection> {
        if token.is_listener() { None } else { self.connections.get(token.slot(), token.generation()) }
    }

    /// Changes a connection, and notes whether epoll must be told.
    fn change(&mut self, token: Token, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections.get_mut(token.slot(), token.generation()) {
            change(connection);
            if connection.armed != connection.wanted() {
                self.changed_connections.add(token.slot());
            }
        }
    }

    pub(in crate::driver) fn grant_bytes(&mut self, token: Token, credit: u32) {
        self.change(token, |connection| {
            connection.credit = credit;
            if credit > 0 {
                connection.set(bits::END_BEHIND_DATA, false);
            }
        });
    }

    pub(in crate::driver) fn hold(&mut self, token: Token, held: bool) {
        self.change(token, |connection| connection.set(bits::HELD, held));
    }

    pub(in crate::driver) fn send(&mut self, token: Token, bytes: &[u8], last: bool) -> Result<usize, Errno> {
        let connection = self.connection(token).ok_or(Errno::BADF)?;
        let sent = connection.send(bytes, last)?;
        let unsent = sent < bytes.len();
        if unsent != connection.has(bits::UNSENT) {
            self.change(token, |connection| connection.set(bits::UNSENT, unsent));
        }
        Ok(sent)
    }

    pub(in crate::driver) fn receive(&mut self, token: Token, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.connection(token).ok_or(Errno::BADF)?.receive(buffer)
    }

    pub(in crate::driver) fn shut_down(&mut self, token: Token) {
        if let Some(connection) = self.connection(token) {
            connection.shut_down();
        }
    }

    pub(in crate::driver) fn local_address(&self, token: Token) -> Option<SocketAddr> {
        if token.is_listener() {
            return bits::local_address(self.listener_descriptor(token)?.as_fd());
        }
        self.connection(token)?.local_address()
    }

    /// Forgets the object and gives its descriptor to the caller; dropping that closes it.
    pub(in crate::driver) fn remove(&mut self, token: Token) -> Option<Transport> {
        let (slot, generation) = (token.slot(), token.generation());
        if token.is_listener() {
            let listener = self.listeners.remove(slot, generation)?;
            if listener.armed != 0 && Rc::strong_count(&listener.descriptor) > 1 {
                self.unregister((*listener.descriptor).as_fd());
            }
            self.released = true;
            return None;
        }
        let connection = self.connections.remove(slot, generation)?;
        let shared = connection.has(bits::SHARED);
        // Closing ends the registration by itself, unless somebody else keeps the socket open.
        if connection.armed != 0 && shared {
            self.unregister(connection.descriptor.as_fd());
        }
        self.released = true;
        Some(Transport::Descriptor { descriptor: connection.descriptor, shared })
    }

    fn unregister(&self, descriptor: BorrowedFd<'_>) {
        if let Some(opened) = &self.opened {
            let _ = epoll::delete(&opened.epoll, descriptor);
        }
    }

    /// Whether a descriptor was released since the last time.
    pub(in crate::driver) fn take_released(&mut self) -> bool {
        std::mem::take(&mut self.released)
    }

    /// Waits for events; what the last wait told and nobody pulled is forgotten and will be told again.
    pub(in crate::driver) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let (epoll, _) = self.open()?;
        self.apply_changes(&epoll);
        let timeout = if self.refused.is_empty() { timeout } else { Some(Duration::ZERO) };
        self.events.clear();
        self.at = 0;
        match epoll::wait(&epoll, spare_capacity(&mut self.events), timespec(timeout).as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn apply_changes(&mut self, epoll: &OwnedFd) {
        while let Some(slot) = self.changed_connections.take() {
            let Some((generation, connection)) = self.connections.current(slot) else {
                continue;
            };
            let Ok(number) = u32::try_from(slot) else { continue };
            let token = Token::connection(number, generation);
            let (from, to) = (connection.armed, connection.wanted());
            match register(epoll, connection.descriptor.as_fd(), token, from, to) {
                Ok(()) => connection.armed = to,
                Err(errno) => self.refused.push((token, errno)),
            }
        }
        while let Some(slot) = self.changed_listeners.take() {
            let Some((generation, listener)) = self.listeners.current(slot) else {
                continue;
            };
            let Ok(number) = u32::try_from(slot) else { continue };
            let token = Token::listener(number, generation);
            let (from, to) = (listener.armed, listener.wanted());
            match register(epoll, (*listener.descriptor).as_fd(), token, from, to) {
                Ok(()) => listener.armed = to,
                Err(errno) => self.refused.push((token, errno)),
            }
        }
    }

    /// The next thing that happened since the last wait; at most one system call.
    pub(in crate::driver) fn next(&mut self, buffer: &mut [u8]) -> Option<Completion> {
        if let Some((token, errno)) = self.refused.pop() {
            return Some(Completion::Failed(token, errno));
        }
        while let Some(event) = self.events.get(self.at) {
            let (number, flags) = (event.data.u64(), event.flags);
            if number == WAKER {
                self.at += 1;
                return Some(Completion::Woken);
            }
            let token = Token::from_u64(number);
            let completion = if token.is_listener() {
                self.next_accepted(token)
            } else {
                self.next_of_connection(token, flags, buffer)
            };
            if completion.is_some() {
                return completion;
            }
        }
        None
    }

    /// Stays at the event as long as the listener has credit and clients.
    fn next_accepted(&mut self, token: Token) -> Option<Completion> {
        let listener = self.listeners.get(token.slot(), token.generation());
        match listener.filter(|listener| listener.credit > 0).map(Listener::accept) {
            Some(Ok((transport, peer))) => Some(Completion::Accepted(token, transport, peer)),
            Some(Err(Errno::AGAIN)) | None => {
                self.at += 1;
                None
            }
            Some(Err(errno)) => Some(Completion::Failed(token, errno)),
        }
    }

    fn next_of_connection(
        &mut self,
        token: Token,
        flags: EventFlags,
        buffer: &mut [u8],
    ) -> Option<Completion> {
        let (slot, generation) = (token.slot(), token.generation());
        let at = self.at;
        self.at += 1;
        let connection = self.connections.get_mut(slot, generation)?; // else a stale event
        if flags.contains(EventFlags::ERR) && !connection.has(bits::HELD) {
            return Some(Completion::Failed(token, connection.noted_error()));
        }
        if flags.contains(EventFlags::OUT) && connection.has(bits::UNSENT) {
            self.change(token, |connection| connection.set(bits::UNSENT, false));
            if let Some(event) = self.events.get_mut(at) {
                event.flags = flags.difference(EventFlags::OUT);
                self.at = at; // the same event may tell of bytes to receive
            }
            return Some(Completion::Writable(token));
        }
        let readable = EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP;
        if !flags.intersects(readable) || connection.has(bits::HELD) || connection.has(bits::ENDED) {
            return None;
        }
        if connection.credit == 0 {
            let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP);
            return if ended { self.end_of_unread(token) } else { None };
        }
        let room = buffer.len().min(connection.credit as usize);
        match connection.receive(buffer.get_mut(..room)?) {
            Ok(0) => {
                self.change(token, |connection| connection.set(bits::ENDED, true));
                Some(Completion::Ended(token))
            }
            Ok(length) => Some(Completion::Received(token, length)),
            Err(Errno::AGAIN) => None,
            Err(errno) => Some(Completion::Failed(token, errno)),
        }
    }

    /// The peer's end came while its bytes are not to be received: told only if none precede it.
    fn end_of_unread(&mut self, token: Token) -> Option<Completion> {
        match self.connection(token)?.has_unread() {
            Ok(true) => {
                self.change(token, |connection| connection.set(bits::END_BEHIND_DATA, true));
                None
            }
            Ok(false) => {
                self.change(token, |connection| connection.set(bits::ENDED, true));
                Some(Completion::Ended(token))
            }
            Err(Errno::AGAIN) => None,
            Err(errno) => Some(Completion::Failed(token, errno)),
        }
    }

    /// Waits for these objects alone; events of all others are left for later.
    pub(in crate::driver) fn wait_for(
        &mut self,
        interests: &[Interest],
        timeout: Option<Duration>,
        ready: &mut Vec<Readiness>,
    ) -> io::Result<()> {
        ready.clear();
        let mut waited = Vec::with_capacity(interests.len());
        let mut polled = Vec::with_capacity(interests.len());
        for interest in interests {
            if let Some(descriptor) = self.descriptor(interest.token) {
                waited.push(*interest);
                polled.push(PollFd::from_borrowed_fd(descriptor, self.poll_flags(*interest)));
            }
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
                _ if events.contains(PollFlags::RDHUP) => {
                    self.end_of_unread(token).map(|completion| match completion {
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
        let known = bits::END_BEHIND_DATA | bits::ENDED;
        let end = interest.end && self.connection(interest.token).is_some_and(|it| !it.has(known));
        flags.set(PollFlags::RDHUP, end);
        flags
    }

    fn descriptor(&self, token: Token) -> Option<BorrowedFd<'_>> {
        let (slot, generation) = (token.slot(), token.generation());
        if token.is_listener() {
            self.listeners.get(slot, generation).map(|listener| (*listener.descriptor).as_fd())
        } else {
            self.connections.get(slot, generation).map(|connection| connection.descriptor.as_fd())
        }
    }
}

/// Tells epoll what changed.
fn register(
    epoll: &OwnedFd,
    descriptor: BorrowedFd<'_>,
    token: Token,
    from: Armed,
    to: Armed,
) -> Result<(), Errno> {
    let data = EventData::new_u64(token.to_u64());
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, to & bits::READ != 0);
    flags.set(EventFlags::RDHUP, to & bits::END != 0);
    flags.set(EventFlags::OUT, to & bits::WRITE != 0);
    retried(|| match (from, to) {
        _ if from == to => Ok(()),
        (0, _) => epoll::add(epoll, descriptor, data, flags),
        (_, 0) => epoll::delete(epoll, descriptor),
        _ => epoll::modify(epoll, descriptor, data, flags),
    })
}

fn timespec(timeout: Option<Duration>) -> Option<Timespec> {
    Timespec::try_from(timeout?).ok() // a wait longer than the system can count is for ever
}
