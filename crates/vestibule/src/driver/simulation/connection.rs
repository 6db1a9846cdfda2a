use super::state::{Pipe, Shared, Side, State, lock};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// One side of a simulated connection; dropping it closes it.
#[derive(Debug)]
pub(crate) struct SimulatedConnection {
    state: Shared,
    id: u64,
    side: Side,
    /// The port that was chosen for it, which nobody else gets meanwhile.
    bound: Option<SocketAddr>,
    stand_in: Arc<OwnedFd>,
}

impl SimulatedConnection {
    pub(super) fn accepted(state: Shared, id: u64, stand_in: Arc<OwnedFd>) -> Self {
        Self { state, id, side: Side::Server, bound: None, stand_in }
    }

    /// One that is not connected yet.
    pub(super) fn idle(
        state: Shared,
        stand_in: Arc<OwnedFd>,
        local: Option<SocketAddr>,
    ) -> Result<Self, Errno> {
        let (id, bound) = {
            let mut state = lock(&state);
            let bound = local.map(|local| state.bind(local)).transpose()?;
            (state.next_id(), bound)
        };
        Ok(Self { state, id, side: Side::Client, bound, stand_in })
    }

    pub(super) fn connect(&self, to: SocketAddr) -> Result<(), Errno> {
        lock(&self.state).connect(self.id, to, self.bound)
    }

    pub(in crate::driver) fn stand_in(&self) -> BorrowedFd<'_> {
        (*self.stand_in).as_fd()
    }

    /// A descriptor of the caller's own, on which nothing can be sent or received.
    #[allow(clippy::expect_used, reason = "a simulation needs few real descriptors, and only tests run one")]
    pub(in crate::driver) fn into_stand_in(self) -> OwnedFd {
        self.stand_in.try_clone().expect("a real descriptor to stand in for a simulated one")
    }

    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Pipe, Side) -> R) -> Option<R> {
        lock(&self.state).pipes.get_mut(&self.id).map(|pipe| look(pipe, self.side))
    }

    fn with_state<R>(&self, act: impl FnOnce(&mut State, u64) -> R) -> R {
        act(&mut lock(&self.state), self.id)
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.with_state(|state, id| {
            let pipe = state.pipes.get(&id).ok_or(Errno::CONNRESET)?;
            if pipe.reset {
                return Err(Errno::CONNRESET);
            }
            let there = pipe.near(self.side).incoming.len().min(buffer.len());
            if there == 0 {
                return if pipe.has_finished(self.side) { Ok(0) } else { Err(Errno::AGAIN) };
            }
            let length = state.portion(there);
            let pipe = state.pipes.get_mut(&id).ok_or(Errno::CONNRESET)?;
            let incoming = &mut pipe.near_mut(self.side).incoming;
            for (place, byte) in buffer.iter_mut().zip(incoming.drain(..length)) {
                *place = byte;
            }
            Ok(length)
        })
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        self.with_state(|state, id| {
            let pipe = state.pipes.get_mut(&id).ok_or(Errno::PIPE)?;
            if pipe.far(self.side).gone {
                pipe.reset = true;
            }
            if pipe.reset {
                return Err(Errno::CONNRESET);
            }
            let room = pipe.room(self.side);
            let length = state.portion(bytes.len().min(room));
            if let Some(pipe) = state.pipes.get_mut(&id) {
                pipe.far_mut(self.side).incoming.extend(bytes.iter().take(length));
            }
            Ok(length)
        })
    }

    pub(super) fn peer_address(&self) -> Option<SocketAddr> {
        self.with(|pipe, side| pipe.far(side).address)
    }

    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        self.with(|pipe, side| pipe.near(side).address).or(self.bound)
    }
}

impl Drop for SimulatedConnection {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(pipe) = state.pipes.get_mut(&self.id) {
            pipe.leave(self.side);
        }
        if let Some(bound) = self.bound {
            state.bound.remove(&bound.port());
        }
        state.sweep(self.id);
    }
}
