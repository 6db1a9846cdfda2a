use super::pipe::{Packet, Pipe, Side, Watcher};
use super::state::{Shared, State, lock};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// One side of a simulated connection; dropping it closes it.
#[derive(Debug)]
pub(crate) struct SimulatedConnection {
    network: Shared,
    id: u64,
    side: Side,
    /// The port that was chosen for it, which nobody else gets meanwhile.
    bound: Option<SocketAddr>,
    stand_in: Arc<OwnedFd>,
}

impl SimulatedConnection {
    pub(super) fn accepted(network: Shared, id: u64, stand_in: Arc<OwnedFd>) -> Self {
        Self { network, id, side: Side::Server, bound: None, stand_in }
    }

    /// One that is not connected yet.
    pub(super) fn idle(
        network: Shared,
        stand_in: Arc<OwnedFd>,
        local: Option<SocketAddr>,
    ) -> Result<Self, Errno> {
        let (id, bound) = {
            let mut state = lock(&network);
            let bound = local.map(|local| state.bind(local)).transpose()?;
            (state.next_id(), bound)
        };
        Ok(Self { network, id, side: Side::Client, bound, stand_in })
    }

    pub(super) fn connect(&self, to: SocketAddr) -> Result<(), Errno> {
        lock(&self.network).connect(self.id, to, self.bound)
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
        lock(&self.network).pipes.get_mut(&self.id).map(|pipe| look(pipe, self.side))
    }

    fn with_state<R>(&self, act: impl FnOnce(&mut State, u64, Side) -> R) -> R {
        act(&mut lock(&self.network), self.id, self.side)
    }

    /// From now on this loop is told what happens.
    pub(super) fn watch(&self, watcher: Option<Watcher>) {
        self.with(|pipe, side| pipe.near_mut(side).watcher = watcher);
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.with_state(|state, id, side| {
            state.script.receives.make_again()?;
            let pipe = state.pipes.get(&id).ok_or(Errno::CONNRESET)?;
            if pipe.near(side).broken {
                return Err(Errno::CONNRESET);
            }
            let there = pipe.near(side).incoming.len().min(buffer.len());
            if there == 0 {
                return if pipe.has_finished(side) { Ok(0) } else { Err(Errno::AGAIN) };
            }
            let length = state.portion(there);
            let pipe = state.pipes.get_mut(&id).ok_or(Errno::CONNRESET)?;
            for (place, byte) in buffer.iter_mut().zip(pipe.near_mut(side).incoming.drain(..length)) {
                *place = byte;
            }
            state.touch_pipe(id);
            Ok(length)
        })
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        self.with_state(|state, id, side| {
            match state.script.sends.make_again() {
                Err(Errno::AGAIN) => return Ok(0),
                result => result?,
            }
            let longest = state.script.longest_send.unwrap_or(usize::MAX);
            let pipe = state.pipes.get_mut(&id).ok_or(Errno::PIPE)?;
            if pipe.far(side).gone {
                pipe.near_mut(side).broken = true;
            }
            if pipe.near(side).broken {
                return Err(Errno::CONNRESET);
            }
            let room = pipe.room(side).min(longest);
            let length = state.portion(bytes.len().min(room));
            if let Some(bytes) = bytes.get(..length).filter(|bytes| !bytes.is_empty()) {
                state.dispatch(id, side, Packet::Bytes(bytes.to_vec()));
            }
            Ok(length)
        })
    }

    pub(super) fn shut_down(&self) {
        self.with_state(State::shut_down);
    }

    pub(super) fn reset(&self) {
        self.with_state(State::reset);
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
        let mut state = lock(&self.network);
        state.leave(self.id, self.side);
        if let Some(bound) = self.bound {
            state.bound.remove(&bound.port());
        }
        if let (Side::Server, Some(left)) = (self.side, &mut state.script.descriptors) {
            *left += 1;
        }
        drop(state);
        self.network.releases.ring();
    }
}
