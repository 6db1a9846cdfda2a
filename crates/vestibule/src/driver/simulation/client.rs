use super::pipe::{Packet, Side};
use super::state::{Shared, lock};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// The far side of a simulated connection; dropping it closes it.
///
/// A client that stalls is one that is not read from: the server can send it 64 KiB, and then no more.
#[derive(Debug)]
pub struct SimulatedClient {
    network: Shared,
    id: u64,
}

impl SimulatedClient {
    pub(super) fn new(network: Shared, id: u64) -> Self {
        Self { network, id }
    }

    /// Sends what fits, and tells how many bytes that were: 0 when the server does not read.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` after the connection was reset or closed by the server, or after this side ended.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.network);
        let pipe = state.pipes.get_mut(&self.id).ok_or(io::ErrorKind::BrokenPipe)?;
        if pipe.far(Side::Client).gone {
            pipe.near_mut(Side::Client).broken = true;
        }
        if pipe.near(Side::Client).broken || pipe.near(Side::Client).ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let bytes = bytes.get(..bytes.len().min(pipe.room(Side::Client))).unwrap_or_default();
        if !bytes.is_empty() {
            state.dispatch(self.id, Side::Client, Packet::Bytes(bytes.to_vec()));
        }
        Ok(bytes.len())
    }

    /// All that has arrived; empty when nothing has, or at the end (see [`has_ended`](Self::has_ended)).
    ///
    /// # Errors
    ///
    /// `ConnectionReset` when the server reset the connection.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut state = lock(&self.network);
        let pipe = state.pipes.get_mut(&self.id).ok_or(io::ErrorKind::ConnectionReset)?;
        let near = pipe.near_mut(Side::Client);
        let bytes: Vec<u8> = near.incoming.drain(..).collect();
        if bytes.is_empty() && near.broken && !near.finished {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        state.touch_pipe(self.id);
        Ok(bytes)
    }

    /// Whether the server has ended its direction and everything before that was read.
    pub fn has_ended(&self) -> bool {
        let state = lock(&self.network);
        state.pipes.get(&self.id).is_some_and(|pipe| pipe.has_finished(Side::Client))
    }

    /// Ends this direction; reading goes on.
    pub fn shut_down(&self) {
        lock(&self.network).shut_down(self.id, Side::Client);
    }

    /// Resets the connection; what is under way is lost.
    pub fn reset(self) {
        lock(&self.network).reset(self.id, Side::Client);
    }

    /// How long what is sent takes from now on, in both directions.
    pub fn set_latency(&self, latency: Duration) {
        if let Some(pipe) = lock(&self.network).pipes.get_mut(&self.id) {
            pipe.latency = latency;
        }
    }

    /// This side's address, which the server sees as its peer's.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        lock(&self.network).pipes.get(&self.id).map(|pipe| pipe.near(Side::Client).address)
    }
}

impl Drop for SimulatedClient {
    fn drop(&mut self) {
        lock(&self.network).leave(self.id, Side::Client);
    }
}
