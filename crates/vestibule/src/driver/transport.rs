use super::os::Descriptor;
#[cfg(feature = "simulation")]
use super::simulation::SimulatedConnection;
use crate::admission::Permit;
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A connection outside of a driver: on its way from an accept to a socket, or to another thread.
///
/// Dropping it closes the connection, and then gives its place back.
#[derive(Debug)]
pub(crate) struct Transport {
    line: Line,
    permit: Option<Permit>,
}

/// What a connection is to its driver.
#[derive(Debug)]
pub(super) enum Line {
    Descriptor {
        descriptor: Descriptor,
        /// Whether somebody else may hold the same open socket, so that closing it here does not end its events.
        shared: bool,
    },
    #[cfg(feature = "simulation")]
    Simulated(SimulatedConnection),
}

impl Transport {
    pub(super) fn new(line: Line) -> Self {
        Self { line, permit: None }
    }

    /// A connection that the program has brought.
    pub(crate) fn brought(descriptor: OwnedFd) -> Self {
        Self::new(Line::Descriptor { descriptor: descriptor.into(), shared: true })
    }

    /// The same connection, in a place of a server.
    pub(crate) fn with_permit(self, permit: Option<Permit>) -> Self {
        Self { permit, ..self }
    }

    pub(crate) fn permit(&self) -> Option<&Permit> {
        self.permit.as_ref()
    }

    #[cfg(feature = "simulation")]
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    pub(super) fn into_parts(self) -> (Line, Option<Permit>) {
        (self.line, self.permit)
    }

    /// The same, and the place that the connection is in.
    pub(crate) fn into_descriptor_and_permit(mut self) -> (OwnedFd, Option<Permit>) {
        let permit = self.permit.take();
        (self.into_descriptor(), permit)
    }

    /// The descriptor, which the program has from now on.
    pub(crate) fn into_descriptor(self) -> OwnedFd {
        match self.line {
            Line::Descriptor { descriptor, .. } => descriptor.into(),
            #[cfg(feature = "simulation")]
            Line::Simulated(connection) => connection.into_stand_in(),
        }
    }

    /// Makes the descriptor blocking, as one is that a hook gets.
    pub(crate) fn make_blocking(&self) -> Result<(), Errno> {
        rustix::io::ioctl_fionbio(self.as_fd(), false)
    }

    /// Says that the descriptor was in the hands of the program.
    pub(crate) fn into_shared(mut self) -> Self {
        match &mut self.line {
            Line::Descriptor { shared, .. } => *shared = true,
            #[cfg(feature = "simulation")]
            Line::Simulated(_) => {}
        }
        self
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.line {
            Line::Descriptor { descriptor, .. } => descriptor.as_fd(),
            #[cfg(feature = "simulation")]
            Line::Simulated(connection) => connection.stand_in(),
        }
    }
}
