use super::change_list::ChangeList;
use super::connection::{self as bits, Connection};
use super::descriptor::Descriptor;
use super::listener::{self, ListenFailure, ListenRequest, Listener};
use super::poller::{Poller, READ, Signs, WATCH};
use super::resting::Alarm;
use super::waker::Waker;
use crate::address::Endpoint;
use crate::admission::Permit;
use crate::driver::slots::Slots;
use crate::driver::transport::Line;
use crate::driver::{Token, Transport};
use rustix::io::Errno;
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The driver of the operating system.
#[derive(Default)]
pub(crate) struct OsDriver {
    pub(super) opened: Option<Opened>,
    pub(super) connections: Slots<Connection>,
    pub(super) listeners: Slots<Listener>,
    pub(super) changed_connections: ChangeList,
    pub(super) changed_listeners: ChangeList,
    /// The event that is told next.
    pub(super) at: usize,
    /// What remains to be told of it.
    pub(super) left_of_event: Option<Signs>,
    pub(super) refused: Vec<(Token, Errno)>,
    /// Whether a host waits for the loop's descriptor, which must hear of every change.
    pub(super) resting: bool,
    pub(super) alarm: Alarm,
}

/// The descriptors of the loop itself, made on first need.
pub(super) struct Opened {
    pub(super) poller: Poller,
    pub(super) waker: Arc<Waker>,
}

impl OsDriver {
    /// Makes the loop's own descriptors, unless they are there.
    pub(in crate::driver) fn open(&mut self) -> io::Result<(Rc<dyn AsFd>, Arc<Waker>)> {
        if let Some(opened) = &self.opened {
            return Ok((opened.poller.descriptor(), Arc::clone(&opened.waker)));
        }
        let poller = Poller::new()?;
        let waker = Arc::new(Waker::new()?);
        poller.register((*waker).as_fd(), Poller::WAKER, 0, READ | WATCH)?;
        let descriptor = poller.descriptor();
        self.opened = Some(Opened { poller, waker: Arc::clone(&waker) });
        Ok((descriptor, waker))
    }

    /// Makes room for so many connections, in the table of descriptors of the process as well.
    pub(in crate::driver) fn reserve(&mut self, number: usize) -> Result<(), Errno> {
        let opened = self.opened.as_ref().ok_or(Errno::BADF)?;
        let highest = i32::try_from(number).map_err(|_| Errno::MFILE)?;
        // The table grows to hold the highest number; a process with threads waits for that, milliseconds long.
        match rustix::io::fcntl_dupfd_cloexec((*opened.waker).as_fd(), highest) {
            Err(Errno::INVAL) => return Err(Errno::MFILE), // beyond the limit of the process
            result => drop(result?),
        }
        self.connections.reserve(number);
        Ok(())
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

    pub(in crate::driver) fn grant_accepts(&mut self, token: Token, granted: bool, blocking: bool) {
        if let Some(listener) = self.listeners.get_mut(token.slot(), token.generation()) {
            listener.granted = granted;
            listener.blocking = blocking;
            if listener.armed != listener.wanted() {
                self.changed_listeners.add(token.slot());
                self.stir();
            }
        }
    }

    /// Other loops wait for the listener's clients too: one of them is to be woken for each.
    pub(in crate::driver) fn share_listener(&mut self, token: Token) {
        if let Some(listener) = self.listeners.get_mut(token.slot(), token.generation()) {
            listener.shared = true;
        }
    }

    /// Other loops that wait for the listener's clients are to be woken before this one from now on.
    pub(in crate::driver) fn requeue(&mut self, token: Token) {
        let Some(listener) = self.listeners.get_mut(token.slot(), token.generation()) else { return };
        let armed = std::mem::take(&mut listener.armed);
        if let (Some(opened), true) = (&self.opened, armed != 0) {
            // It was registered, so this cannot fail; the next wait registers it anew.
            let _ = opened.poller.register((*listener.descriptor).as_fd(), 0, armed, 0);
        }
        self.changed_listeners.add(token.slot());
    }

    pub(in crate::driver) fn accept(&mut self, token: Token) -> Result<(Transport, SocketAddr), Errno> {
        let listener = self.listeners.get(token.slot(), token.generation());
        listener.ok_or(Errno::BADF)?.accept()
    }

    pub(in crate::driver) fn adopt(
        &mut self,
        descriptor: Descriptor,
        permit: Option<Permit>,
        shared: bool,
        credit: u32,
    ) -> Token {
        let connection = Connection { credit, ..Connection::new(descriptor, permit, shared) };
        let (slot, generation) = self.connections.insert(connection);
        self.changed_connections.add(slot as usize);
        self.stir();
        Token::connection(slot, generation)
    }

    pub(in crate::driver) fn duplicate(&mut self, token: Token) -> Option<OwnedFd> {
        let duplicate = self.connection(token)?.descriptor.try_clone().ok()?;
        self.share(token);
        Some(duplicate)
    }

    pub(in crate::driver) fn reset_at_close(&mut self, token: Token) {
        if let Some(connection) = self.connection(token) {
            // Where it fails the connection is gone already.
            let _ = sockopt::set_socket_linger(&connection.descriptor, Some(Duration::ZERO));
        }
    }

    /// Closing the descriptor here will not end the connection.
    pub(in crate::driver) fn share(&mut self, token: Token) {
        self.change(token, |connection| connection.set(bits::SHARED, true));
    }

    pub(super) fn connection(&self, token: Token) -> Option<&Connection> {
        if token.is_listener() { None } else { self.connections.get(token.slot(), token.generation()) }
    }

    /// Changes a connection, and notes whether the poller must be told.
    pub(super) fn change(&mut self, token: Token, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections.get_mut(token.slot(), token.generation()) {
            change(connection);
            if connection.armed != connection.wanted() {
                self.changed_connections.add(token.slot());
                self.stir();
            }
        }
    }

    pub(in crate::driver) fn grant_bytes(&mut self, token: Token, credit: u32) {
        self.change(token, |connection| {
            connection.credit = credit;
            if credit > 0 {
                connection.set(bits::END_BEHIND_DATA | bits::UNREAD, false);
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

    pub(in crate::driver) fn noted_error(&self, token: Token) -> Errno {
        self.connection(token).map_or(Errno::CONNRESET, Connection::noted_error)
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
            if listener.armed != 0 {
                // A parent, systemd or the program may keep the listening socket open.
                self.unregister((*listener.descriptor).as_fd(), listener.armed);
            }
            drop(listener);
            super::RELEASES.ring();
            self.stir();
            return None;
        }
        let connection = self.connections.remove(slot, generation)?;
        let shared = connection.has(bits::SHARED);
        // Closing ends the registration by itself, unless somebody else keeps the socket open.
        if connection.armed != 0 && (shared || !Poller::FORGETS_CLOSED) {
            self.unregister(connection.descriptor.as_fd(), connection.armed);
        }
        self.stir();
        let line = Line::Descriptor { descriptor: connection.descriptor, shared };
        Some(Transport::new(line).with_permit(connection.permit))
    }

    pub(in crate::driver) fn permit(&self, token: Token) -> Option<&Permit> {
        self.connection(token)?.permit.as_ref()
    }

    fn unregister(&self, descriptor: BorrowedFd<'_>, armed: Signs) {
        if let Some(opened) = &self.opened {
            let _ = opened.poller.register(descriptor, 0, armed, 0);
        }
    }
}
