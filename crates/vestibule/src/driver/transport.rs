#[cfg(feature = "simulation")]
use super::simulation::SimulatedConnection;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A connection outside of a driver: on its way from an accept to a socket, or to another thread.
#[derive(Debug)]
pub(crate) enum Transport {
    Descriptor {
        descriptor: OwnedFd,
        /// Whether somebody else may hold the same open socket, so that closing it here does not end its events.
        shared: bool,
    },
    #[cfg(feature = "simulation")]
    Simulated(SimulatedConnection),
}

impl Transport {
    /// Says that the descriptor was in the hands of the program.
    pub(crate) fn into_shared(self) -> Self {
        match self {
            Self::Descriptor { descriptor, .. } => Self::Descriptor { descriptor, shared: true },
            #[cfg(feature = "simulation")]
            simulated @ Self::Simulated(_) => simulated,
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Descriptor { descriptor, .. } => descriptor.as_fd(),
            #[cfg(feature = "simulation")]
            Self::Simulated(connection) => connection.stand_in(),
        }
    }
}

impl From<Transport> for OwnedFd {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Descriptor { descriptor, .. } => descriptor,
            #[cfg(feature = "simulation")]
            Transport::Simulated(connection) => connection.into_stand_in(),
        }
    }
}
