use super::core::{Flag, SocketCore};
use super::input::Received;
use super::state::SocketState;
use super::tcp_socket::TcpSocket;
use super::telling::Tale;
use crate::driver::{Interest, Over};
use crate::error::{Error, Operation, Result, SocketError};
use crate::event_loop::{Also, Wait};
use rustix::io::Errno;
use std::rc::Rc;
use std::time::Duration;

impl SocketCore {
    /// Waits once for the socket, sends and receives what it can, and tells that. True if bytes were received.
    fn wait_round(self: &Rc<Self>, wait: &Wait<'_>) -> Result<bool> {
        if self.tell_surplus() {
            return Ok(true);
        }
        let readable = self.credit() > 0;
        let writable = self.bytes_to_write() > 0;
        let token = self.token();
        let interest = Interest { token, readable, writable, end: !readable };
        let ready = wait
            .round(&[interest], Also::Nothing, None)
            .map_err(|error| Error::system(Operation::Wait, error))?;
        self.tell();
        let still_there = !self.is_closed() && self.token() == token;
        let Some(ready) = ready.first().filter(|_| still_there) else { return Ok(false) };
        match ready.over {
            Some(Over::Ended) => self.peer_ended(),
            Some(Over::Failed(errno)) => self.broke(errno),
            None => {}
        }
        if ready.writable {
            self.push_out();
            self.tell();
        }
        if !ready.readable || self.is_closed() {
            return Ok(false);
        }
        match self.receive_now() {
            Received::Bytes => return Ok(true),
            Received::Nothing => {}
            Received::End => self.peer_ended(),
            Received::Failure(errno) => self.broke(errno),
        }
        Ok(false)
    }

    fn broke(self: &Rc<Self>, errno: Errno) {
        self.fail(errno);
        self.tell();
    }

    /// The reference tells a wait's time-out like any error; the connection goes on.
    pub(super) fn timed_out(self: &Rc<Self>) -> bool {
        self.error.set(SocketError::SocketTimeout);
        self.note(Tale::Error);
        self.tell();
        false
    }

    /// Waits for the connection that is being made, if one is; false when the time was over first.
    fn connects_within(self: &Rc<Self>, wait: &Wait<'_>) -> Result<bool> {
        if self.is_connecting() { self.wait_until_connected(wait) } else { Ok(true) }
    }

    fn wait_for_ready_read(self: &Rc<Self>, timeout: Option<Duration>) -> Result<bool> {
        let wait = self.event_loop.begin_wait(timeout);
        if !self.connects_within(&wait)? {
            return Ok(false);
        }
        let connection = self.connection_number();
        loop {
            self.tell();
            if self.has_finished_reading() || self.connection_number() != connection {
                let kind = match self.error.get() {
                    SocketError::Unknown => SocketError::Operation,
                    kind => kind,
                };
                return Err(Error::said(Operation::Wait, kind, "the connection has ended"));
            }
            if self.credit() == 0 && !self.has(Flag::Pressed) {
                let words = "the read buffer is full; read something first";
                return Err(Error::said(Operation::Wait, SocketError::Operation, words));
            }
            if self.wait_round(&wait)? {
                return Ok(true);
            }
            if wait.is_over() && !self.has_finished_reading() && self.connection_number() == connection {
                return Ok(self.timed_out());
            }
        }
    }

    fn wait_for_bytes_written(self: &Rc<Self>, timeout: Option<Duration>) -> Result<bool> {
        let sent = self.sent.get();
        if self.untold.get() > 0 && !self.has(Flag::Telling) {
            self.tell();
            return Ok(true);
        }
        if self.bytes_to_write() == 0 {
            return Ok(false);
        }
        let wait = self.event_loop.begin_wait(timeout);
        if !self.connects_within(&wait)? {
            return Ok(false);
        }
        let connection = self.connection_number();
        while self.bytes_to_write() > 0 && self.connection_number() == connection {
            self.wait_round(&wait)?;
            if self.sent.get() > sent {
                return Ok(true);
            }
            if wait.is_over() && !self.is_closed() && self.connection_number() == connection {
                return Ok(self.timed_out());
            }
        }
        Ok(self.sent.get() > sent)
    }

    /// Whether a connection is over that was not told so yet.
    fn is_end_untold(&self) -> bool {
        let stood = || self.outgoing_if_any().is_some_and(|outgoing| outgoing.succeeded.get());
        let told = matches!(self.state.get(), SocketState::Connected | SocketState::Closing);
        told || (self.has_tales() && stood())
    }

    fn wait_for_disconnected(self: &Rc<Self>, timeout: Option<Duration>) -> Result<bool> {
        if self.is_closed() && !self.is_end_untold() {
            return Ok(false);
        }
        let wait = self.event_loop.begin_wait(timeout);
        if !self.connects_within(&wait)? {
            return Ok(false);
        }
        let connection = self.connection_number();
        loop {
            self.tell();
            if self.is_closed() || self.connection_number() != connection {
                return Ok(true);
            }
            self.wait_round(&wait)?;
            if wait.is_over() && !self.is_closed() && self.connection_number() == connection {
                return Ok(self.timed_out());
            }
        }
    }
}

impl TcpSocket {
    /// Blocks until something more is received, at most so long; `None` waits for ever. The reference's
    /// `waitForReadyRead`.
    ///
    /// True after `ready_read` was told. False after the time-out, which is also told by `error_occurred` with
    /// `SocketTimeout` and leaves the connection as it is. Needs no running loop, and runs no slot but this socket's.
    ///
    /// On a socket that is connecting, this wait and the next two wait for that first, as
    /// [`wait_for_connected`](Self::wait_for_connected) does: a time-out ends the attempt, and its failure is the error.
    ///
    /// # Errors
    ///
    /// When the connection ended (`RemoteHostClosed`, and what came before the end can still be read), broke, or was not
    /// there; and when the read buffer is full.
    pub fn wait_for_ready_read(&self, timeout: Option<Duration>) -> Result<bool> {
        self.core().wait_for_ready_read(timeout)
    }

    /// Blocks until some of what was written was sent, at most so long; `None` waits for ever. The reference's
    /// `waitForBytesWritten`.
    ///
    /// True after `bytes_written` was told. False after the time-out, and at once when nothing is written.
    ///
    /// # Errors
    ///
    /// When the system cannot wait, or the connection could not be made.
    pub fn wait_for_bytes_written(&self, timeout: Option<Duration>) -> Result<bool> {
        self.core().wait_for_bytes_written(timeout)
    }

    /// Blocks until the connection is over, at most so long; `None` waits for ever. The reference's
    /// `waitForDisconnected`.
    ///
    /// True after `disconnected` was told. False after the time-out, and at once when there was no connection. What the
    /// peer sends meanwhile is received and told.
    ///
    /// # Errors
    ///
    /// When the system cannot wait, or the connection could not be made.
    pub fn wait_for_disconnected(&self, timeout: Option<Duration>) -> Result<bool> {
        self.core().wait_for_disconnected(timeout)
    }
}
