use super::driver_type::{Driver, either};
use super::os::{OsDriver, RELEASES};
#[cfg(feature = "simulation")]
use super::simulation::SimulatedDriver;
use super::{Arrival, KernelQueue, OptionName, SocketOption, Token, Transport};
use crate::admission::{Bells, Ledger, Permit};
use rustix::io::Errno;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// What a driver is asked, and what changes nothing.
impl Driver {
    pub(crate) fn listener_descriptor(&self, token: Token) -> Option<Rc<OwnedFd>> {
        match self {
            Self::Os(driver) => driver.listener_descriptor(token),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => None,
        }
    }

    /// The addresses of a name, where finding them takes no time; `None` where it does.
    #[allow(clippy::unnecessary_wraps, unused_variables, reason = "with the simulation there are two kinds")]
    pub(crate) fn look_up(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        match self {
            Self::Os(_) => None,
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => Some(SimulatedDriver::look_up(host, port)),
        }
    }

    pub(crate) fn option(&self, token: Token, name: OptionName) -> Result<SocketOption, Errno> {
        either!(self, driver => driver.option(token, name))
    }

    pub(crate) fn local_address(&self, token: Token) -> Option<SocketAddr> {
        either!(self, driver => driver.local_address(token))
    }

    /// What is known of a connection that was just accepted, where the system tells.
    pub(crate) fn arrival(&self, transport: &Transport) -> Option<Arrival> {
        match self {
            Self::Os(_) => OsDriver::arrival(transport),
            #[cfg(feature = "simulation")]
            Self::Simulation(driver) => driver.arrival(transport),
        }
    }

    pub(crate) fn kernel_queue(&self, token: Token) -> Option<KernelQueue> {
        either!(self, driver => driver.kernel_queue(token))
    }

    pub(crate) fn queue_overflows(&self) -> Option<u64> {
        match self {
            Self::Os(_) => OsDriver::queue_overflows(),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => None,
        }
    }

    /// A descriptor for nothing but to be given up.
    pub(crate) fn reserve_descriptor(&self) -> Option<OwnedFd> {
        match self {
            Self::Os(_) => OsDriver::reserve_descriptor(),
            #[cfg(feature = "simulation")]
            Self::Simulation(_) => None,
        }
    }

    /// Whether bytes wait to be received.
    pub(crate) fn has_unread(&self, token: Token) -> bool {
        either!(self, driver => driver.has_unread(token))
    }

    /// The next few connections of a server from this slot on, and where to go on.
    pub(crate) fn connections_of(
        &self,
        ledger: &Arc<Ledger>,
        from: usize,
        most: usize,
    ) -> (Vec<Token>, Option<usize>) {
        either!(self, driver => driver.connections_of(ledger, from, most))
    }

    /// A number that is another for each server.
    pub(crate) fn seed(&mut self) -> u64 {
        match self {
            Self::Os(_) => RandomState::new().hash_one(0_u8),
            #[cfg(feature = "simulation")]
            Self::Simulation(driver) => driver.seed(),
        }
    }

    /// The bells of the servers that wait for a descriptor.
    pub(crate) fn releases(&self) -> &Bells {
        match self {
            Self::Os(_) => &RELEASES,
            #[cfg(feature = "simulation")]
            Self::Simulation(driver) => driver.releases(),
        }
    }

    /// The connection's place among those of a server.
    pub(crate) fn permit(&self, token: Token) -> Option<&Permit> {
        either!(self, driver => driver.permit(token))
    }

    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Os(_) => Instant::now(),
            #[cfg(feature = "simulation")]
            Self::Simulation(driver) => driver.now(),
        }
    }
}
