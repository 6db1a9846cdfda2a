use super::state::{Shared, WINDOW, lock};
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
        if pipe.server_gone {
            pipe.reset = true;
        }
        if pipe.reset || pipe.client_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let length = bytes.len().min(WINDOW.saturating_sub(pipe.to_server.len()));
        pipe.to_server.extend(bytes.iter().take(length));
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
        let bytes: Vec<u8> = pipe.to_client.drain(..).collect();
        if bytes.is_empty() && pipe.reset && !pipe.server_ended {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(bytes)
    }

    /// Whether the server has ended its direction and everything before that was read.
    pub fn has_ended(&self) -> bool {
        let state = lock(&self.state);
        state.pipes.get(&self.id).is_some_and(|pipe| pipe.server_ended && pipe.to_client.is_empty())
    }

    /// Ends this direction; reading goes on.
    pub fn shut_down(&self) {
        if let Some(pipe) = lock(&self.state).pipes.get_mut(&self.id) {
            pipe.client_ended = true;
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
        lock(&self.state).pipes.get(&self.id).map(|pipe| pipe.client)
    }
}

impl Drop for SimulatedClient {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(pipe) = state.pipes.get_mut(&self.id) {
            pipe.client_gone = true;
            pipe.client_ended = true;
            pipe.reset |= !pipe.to_client.is_empty(); // closing with unread bytes resets
        }
        state.sweep(self.id);
    }
}
