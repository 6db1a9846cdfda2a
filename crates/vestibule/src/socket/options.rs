use super::core::SocketCore;
use super::tcp_socket::TcpSocket;
use crate::driver::{KeepAlive, OptionName, SocketOption};
use crate::error::{Error, Operation, Result, SocketError};
use rustix::io::Errno;
use std::time::Duration;

impl SocketCore {
    /// For the connection that is there, else for those that will be made.
    fn set_option(&self, option: SocketOption) -> Result<()> {
        if self.has_connection() {
            let set = self.event_loop.driver.borrow_mut().set_option(self.token(), option);
            return set.map_err(failed);
        }
        for token in self.tries() {
            self.event_loop.driver.borrow_mut().set_option(token, option).map_err(failed)?;
        }
        self.outgoing().options.borrow_mut().set(option);
        Ok(())
    }

    fn option(&self, name: OptionName) -> Result<SocketOption> {
        if self.has_connection() {
            return self.event_loop.driver.borrow().option(self.token(), name).map_err(failed);
        }
        self.outgoing().options.borrow().get(name).ok_or_else(|| {
            let words = "there is no connection, and it was not set";
            Error::said(Operation::SocketOption, SocketError::Operation, words)
        })
    }
}

fn failed(errno: Errno) -> Error {
    Error::system(Operation::SocketOption, errno.into())
}

/// What an option has that was asked for by name; another one cannot come.
macro_rules! value {
    ($core:expr, $name:ident) => {
        match $core.option(OptionName::$name)? {
            SocketOption::$name(value) => Ok(value),
            _ => Err(failed(Errno::PROTO)),
        }
    };
}

/// Options. On a socket without a connection they are kept for each connection that
/// [`connect_to_host`](TcpSocket::connect_to_host) makes; one that the system refuses then fails the attempt. Each setter and getter makes one system call, or a few, and fails
/// when the system refuses; a getter also when there is neither a connection nor a value that was set.
#[allow(clippy::missing_errors_doc, reason = "said once for all, above")]
impl TcpSocket {
    /// Whether small packets are sent at once (`TCP_NODELAY`); the reference's `LowDelayOption`.
    pub fn no_delay(&self) -> Result<bool> {
        value!(self.core(), NoDelay)
    }

    /// Sends small packets at once, or has the system gather them. Default: at once, because the socket gathers what is
    /// written in a turn itself.
    pub fn set_no_delay(&self, no_delay: bool) -> Result<()> {
        self.core().set_option(SocketOption::NoDelay(no_delay))
    }

    /// How the system probes whether an idle peer is still there; `None` when it does not. The reference's
    /// `KeepAliveOption`.
    pub fn keep_alive(&self) -> Result<Option<KeepAlive>> {
        value!(self.core(), KeepAlive)
    }

    /// Has the system probe whether an idle peer is still there, or not. Default: not.
    ///
    /// ```
    /// # use vestibule::{EventLoop, KeepAlive, TcpSocket};
    /// # use std::time::Duration;
    /// # let event_loop = EventLoop::new()?;
    /// let socket = TcpSocket::new(&event_loop);
    /// socket.set_keep_alive(Some(KeepAlive { idle: Some(Duration::from_secs(60)), ..KeepAlive::default() }))?;
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) -> Result<()> {
        self.core().set_option(SocketOption::KeepAlive(keep_alive))
    }

    /// How many bytes the system keeps until they are acknowledged (`SO_SNDBUF`); Linux tells twice what was set. The
    /// reference's `SendBufferSizeSocketOption`.
    pub fn send_buffer_size(&self) -> Result<usize> {
        value!(self.core(), SendBufferSize)
    }

    /// Bounds how many bytes the system keeps until they are acknowledged. Default: as the system finds best.
    pub fn set_send_buffer_size(&self, size: usize) -> Result<()> {
        self.core().set_option(SocketOption::SendBufferSize(size))
    }

    /// How many bytes the system keeps until they are received (`SO_RCVBUF`); Linux tells twice what was set. The
    /// reference's `ReceiveBufferSizeSocketOption`.
    pub fn receive_buffer_size(&self) -> Result<usize> {
        value!(self.core(), ReceiveBufferSize)
    }

    /// Bounds how many bytes the system keeps until they are received. Default: as the system finds best.
    pub fn set_receive_buffer_size(&self, size: usize) -> Result<()> {
        self.core().set_option(SocketOption::ReceiveBufferSize(size))
    }

    /// The type of service in the packets' headers, for IPv6 the traffic class; the reference's `TypeOfServiceOption`, which
    /// has it for IPv4 alone.
    pub fn type_of_service(&self) -> Result<u8> {
        value!(self.core(), TypeOfService)
    }

    /// Sets the type of service in the packets' headers. Default: 0.
    pub fn set_type_of_service(&self, value: u8) -> Result<()> {
        self.core().set_option(SocketOption::TypeOfService(value))
    }

    /// How long sent bytes may stay unacknowledged before the connection counts as broken (`TCP_USER_TIMEOUT`, Linux);
    /// `None`: as long as the system finds right.
    pub fn user_timeout(&self) -> Result<Option<Duration>> {
        value!(self.core(), UserTimeout)
    }

    /// Bounds how long sent bytes may stay unacknowledged, in milliseconds at least 1. Default: `None`.
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.core().set_option(SocketOption::UserTimeout(timeout))
    }
}
