use super::state::{Shared, Side, lock};
use std::io;
use std::net::SocketAddr;

/// The far side of a simulated connection; dropping it closes it.
#[derive(Debug)]
pub struct SimulatedClient {
    state: Shared,
    id: u64,
}

impl SimulatedClient {
    pub(super) fn new(state: Shared, id: u64) -> Self {
        Self { state, id }
    }

    /// Sends what fits, and tells how many bytes that were: 0 when the server does not read.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` after the connection was reset or closed by the server, or after this side ended.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.state);
        let pipe = state.pipes.get_mut(&self.id).ok_or(io::ErrorKind::BrokenPipe)?;
        if pipe.far(Side::Client).gone {
            pipe.reset = true;
        }
        if pipe.reset || pipe.near(Side::Client).ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let length = bytes.len().min(pipe.room(Side::Client));
        pipe.far_mut(Side::Client).incoming.extend(bytes.iter().take(length));
        Ok(length)
    }

    /// All that has arrived; empty when nothing has, or at the end (see [`has_ended`](Self::has_ended)).
    ///
    /// # Errors
    ///
    /// `ConnectionReset` when the server reset the connection.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut state = lock(&self.state);
        let pipe = state.pipes.get_mut(&self.id).ok_or(io::ErrorKind::ConnectionReset)?;
        let bytes: Vec<u8> = pipe.near_mut(Side::Client).incoming.drain(..).collect();
        if bytes.is_empty() && pipe.reset && !pipe.far(Side::Client).ended {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(bytes)
    }

    /// Whether the server has ended its direction and everything before that was read.
    pub fn has_ended(&self) -> bool {
        let state = lock(&self.state);
        state.pipes.get(&self.id).is_some_and(|pipe| pipe.has_finished(Side::Client))
    }

    /// Ends this direction; reading goes on.
    pub fn shut_down(&self) {
        if let Some(pipe) = lock(&self.state).pipes.get_mut(&self.id) {
            pipe.near_mut(Side::Client).ended = true;
        }
    }

    /// Resets the connection; what is under way is lost.
    pub fn reset(self) {
        if let Some(pipe) = lock(&self.state).pipes.get_mut(&self.id) {
            pipe.reset = true;
        }
    }

    /// This side's address, which the server sees as its peer's.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        lock(&self.state).pipes.get(&self.id).map(|pipe| pipe.near(Side::Client).address)
    }
}

impl Drop for SimulatedClient {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(pipe) = state.pipes.get_mut(&self.id) {
            pipe.leave(Side::Client);
        }
        state.sweep(self.id);
    }
}
