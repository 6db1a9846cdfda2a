use super::state::{Pipe, Shared, State, WINDOW, lock};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// The server's side of a simulated connection; dropping it closes it.
#[derive(Debug)]
pub(crate) struct SimulatedConnection {
    state: Shared,
    id: u64,
    stand_in: Arc<OwnedFd>,
}

impl SimulatedConnection {
    pub(super) fn new(state: Shared, id: u64, stand_in: Arc<OwnedFd>) -> Self {
        Self { state, id, stand_in }
    }

    pub(in crate::driver) fn stand_in(&self) -> BorrowedFd<'_> {
        (*self.stand_in).as_fd()
    }

    /// A descriptor of the caller's own, on which nothing can be sent or received.
    #[allow(clippy::expect_used, reason = "a simulation needs few real descriptors, and only tests run one")]
    pub(in crate::driver) fn into_stand_in(self) -> OwnedFd {
        self.stand_in.try_clone().expect("a real descriptor to stand in for a simulated one")
    }

    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Pipe) -> R) -> Option<R> {
        lock(&self.state).pipes.get_mut(&self.id).map(look)
    }

    fn with_state<R>(&self, act: impl FnOnce(&mut State, u64) -> R) -> R {
        act(&mut lock(&self.state), self.id)
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.with_state(|state, id| {
            let pipe = state.pipes.get(&id).ok_or(Errno::CONNRESET)?;
            let there = pipe.to_server.len().min(buffer.len());
            if pipe.reset {
                return Err(Errno::CONNRESET);
            }
            if there == 0 {
                return if pipe.client_ended && pipe.to_server.is_empty() {
                    Ok(0)
                } else {
                    Err(Errno::AGAIN)
                };
            }
            let length = state.portion(there);
            let pipe = state.pipes.get_mut(&id).ok_or(Errno::CONNRESET)?;
            for (place, byte) in buffer.iter_mut().zip(pipe.to_server.drain(..length)) {
                *place = byte;
            }
            Ok(length)
        })
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        self.with_state(|state, id| {
            let pipe = state.pipes.get_mut(&id).ok_or(Errno::PIPE)?;
            if pipe.client_gone {
                pipe.reset = true;
            }
            if pipe.reset {
                return Err(Errno::CONNRESET);
            }
            let room = WINDOW.saturating_sub(pipe.to_client.len());
            let length = state.portion(bytes.len().min(room));
            if let Some(pipe) = state.pipes.get_mut(&id) {
                pipe.to_client.extend(bytes.iter().take(length));
            }
            Ok(length)
        })
    }

    pub(super) fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.with(|pipe| (pipe.client, pipe.server))
    }
}

impl Drop for SimulatedConnection {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(pipe) = state.pipes.get_mut(&self.id) {
            pipe.server_leaves();
        }
        state.sweep(self.id);
    }
}
