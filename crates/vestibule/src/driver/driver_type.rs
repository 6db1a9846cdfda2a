use super::os::{OsDriver, Waker};
#[cfg(feature = "simulation")]
use super::simulation::SimulatedDriver;
use super::transport::Line;
use super::{Completion, Interest, ListenFailure, ListenRequest, Readiness, SocketOption, Token, Transport};
use crate::address::Endpoint;
use crate::error::Operation;
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The system a loop runs on.
pub(crate) enum Driver {
    Os(Box<OsDriver>),
    #[cfg(feature = "simulation")]
    Simulation(Box<SimulatedDriver>),
}

/// Hands a call to whichever implementation is there.
macro_rules! either {
    ($driver:expr, $name:ident => $call:expr) => {
        match $driver {
            Driver::Os($name) => $call,
            #[cfg(feature = "simulation")]
            Driver::Simulation($name) => $call,
        }
    };
}

pub(super) use either;

impl Driver {
    pub(crate) fn os() -> Self {
        Self::Os(Box::default())
    }

    /// The loop's own descriptors: what can be polled, and what wakes it. Made on first need.
    pub(crate) fn open(&mut self) -> io::Result<(Rc<dyn AsFd>, Arc<Waker>)> {
        either!(self, driver => driver.open())
    }

    pub(crate) fn listen(&mut self, request: &ListenRequest) -> Result<(Token, Endpoint), ListenFailure> {
        either!(self, driver => driver.listen(request))
    }

    /// Takes over a listening descriptor, or gives it back.
    pub(crate) fn adopt_listener(
        &mut self,
        descriptor: OwnedFd,
    ) -> Result<(Token, Endpoint), (Errno, OwnedFd)> {
        match self {
            Self::Os(driver) => driver.adopt_listener(descriptor),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => Err((Errno::OPNOTSUPP, descriptor)),
        }
    }

    /// Whether clients of the listener are to be told from now on, and whether the descriptors are to be blocking.
    pub(crate) fn grant_accepts(&mut self, token: Token, granted: bool, blocking: bool) {
        either!(self, driver => driver.grant_accepts(token, granted, blocking));
    }

    /// Loops on other threads accept from the same queue: for each client one of them is to be woken.
    pub(crate) fn share_listener(&mut self, token: Token) {
        match self {
            Self::Os(driver) => driver.share_listener(token),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => {}
        }
    }

    /// The other loops of a shared queue are to be woken before this one from now on.
    pub(crate) fn requeue(&mut self, token: Token) {
        match self {
            Self::Os(driver) => driver.requeue(token),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => {}
        }
    }

    /// Accepts one connection now; one system call.
    pub(crate) fn accept(&mut self, token: Token) -> Result<(Transport, SocketAddr), Errno> {
        either!(self, driver => driver.accept(token))
    }

    /// Takes over a connection, of which so many bytes may be received at once; `None` when it belongs to another kind of
    /// driver.
    #[allow(clippy::unnecessary_wraps, reason = "with the simulation there are two kinds of driver")]
    pub(crate) fn adopt(&mut self, transport: Transport, credit: u32) -> Option<Token> {
        let (line, permit) = transport.into_parts();
        match (self, line) {
            (Self::Os(driver), Line::Descriptor { descriptor, shared }) => {
                Some(driver.adopt(descriptor, permit, shared, credit))
            }
            #[cfg(feature = "simulation")]
            (Self::Simulation(driver), Line::Simulated(connection)) => {
                let token = driver.adopt(connection, permit);
                driver.grant_bytes(token, credit);
                Some(token)
            }
            #[cfg(feature = "simulation")]
            _ => None,
        }
    }

    /// A socket to connect to an address of this family, bound to a local address if one is given.
    pub(crate) fn create(
        &mut self,
        address: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Token, (Operation, Errno)> {
        match self {
            Self::Os(driver) => driver.create(address, local),
            #[cfg(feature = "simulation")]
            Self::Simulation(driver) => driver.create(local).map_err(|errno| (Operation::Bind, errno)),
        }
    }

    /// Begins to connect such a socket; `Connected` or `Failed` follows.
    pub(crate) fn connect(&mut self, token: Token, address: SocketAddr) -> Result<(), Errno> {
        either!(self, driver => driver.connect(token, address))
    }

    /// For a wait that found the socket writable: with whom the attempt ended, `AGAIN` when it has not.
    pub(crate) fn finish_connecting(&mut self, token: Token) -> Result<SocketAddr, Errno> {
        either!(self, driver => driver.finish_connecting(token))
    }

    /// Why a connection broke; a reset when nobody knows.
    pub(crate) fn noted_error(&self, token: Token) -> Errno {
        match self {
            Self::Os(driver) => driver.noted_error(token),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => Errno::CONNRESET,
        }
    }

    pub(crate) fn set_option(&mut self, token: Token, option: SocketOption) -> Result<(), Errno> {
        either!(self, driver => driver.set_option(token, option))
    }

    /// Another descriptor of the same connection.
    pub(crate) fn duplicate(&mut self, token: Token) -> Option<OwnedFd> {
        match self {
            Self::Os(driver) => driver.duplicate(token),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => None,
        }
    }

    /// Takes a connection out of the driver, for the program to go on with.
    pub(crate) fn release(&mut self, token: Token) -> Option<Transport> {
        match self {
            Self::Os(driver) => driver.share(token),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => {}
        }
        self.remove(token)
    }

    /// How many bytes may be received at once; with 0 the peer's end is still told, when nothing unread precedes it.
    pub(crate) fn grant_bytes(&mut self, token: Token, credit: u32) {
        either!(self, driver => driver.grant_bytes(token, credit));
    }

    /// Whether to tell nothing at all of a connection for now.
    pub(crate) fn hold(&mut self, token: Token, held: bool) {
        either!(self, driver => driver.hold(token, held));
    }

    /// Sends what fits now. When that is not all, `Writable` comes as soon as more fits. With `last` the bytes may
    /// wait for the end that must follow at once.
    pub(crate) fn send(&mut self, token: Token, bytes: &[u8], last: bool) -> Result<usize, Errno> {
        either!(self, driver => driver.send(token, bytes, last))
    }

    /// Receives what is there now: 0 at the peer's end, `AGAIN` when nothing is there.
    pub(crate) fn receive(&mut self, token: Token, buffer: &mut [u8]) -> Result<usize, Errno> {
        either!(self, driver => driver.receive(token, buffer))
    }

    /// Sends the end; receiving goes on.
    pub(crate) fn shut_down(&mut self, token: Token) {
        either!(self, driver => driver.shut_down(token));
    }

    /// Closing the connection will reset it.
    pub(crate) fn reset_at_close(&mut self, token: Token) {
        either!(self, driver => driver.reset_at_close(token));
    }

    /// Forgets an object; a connection is handed out, and closed when that is dropped.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Transport> {
        either!(self, driver => driver.remove(token))
    }

    /// Waits until something happens; then [`next`](Self::next) tells it.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, driver => driver.wait(timeout))
    }

    /// Makes room for so many connections.
    pub(crate) fn reserve(&mut self, number: usize) -> Result<(), Errno> {
        match self {
            Self::Os(driver) => driver.reserve(number),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => Ok(()),
        }
    }

    /// Whether the last wait has found anything.
    pub(crate) fn has_events(&self) -> bool {
        match self {
            Self::Os(driver) => driver.has_events(),
            // There waiting takes no time.
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => true,
        }
    }

    /// The next thing that happened; `None` when it is time to wait again.
    pub(crate) fn next(&mut self, buffer: &mut [u8]) -> Option<Completion> {
        either!(self, driver => driver.next(buffer))
    }

    /// Waits for some objects alone, and if asked to for a call from another thread; tells which objects are ready, none
    /// after the time-out.
    pub(crate) fn wait_for(
        &mut self,
        interests: &[Interest],
        waker: bool,
        timeout: Option<Duration>,
        ready: &mut Vec<Readiness>,
    ) -> io::Result<()> {
        either!(self, driver => driver.wait_for(interests, waker, timeout, ready))
    }

    /// A host waits for the loop's descriptor: everything is to be told to it, and changes are to call for a turn. The
    /// simulation has no host.
    pub(crate) fn rest(&mut self, until: Option<Instant>) {
        match self {
            Self::Os(driver) => driver.rest(until),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => {}
        }
    }

    /// The loop takes a turn.
    pub(crate) fn end_rest(&mut self) {
        match self {
            Self::Os(driver) => driver.end_rest(),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => {}
        }
    }
}
