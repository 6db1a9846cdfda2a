use super::core::ServerCore;
use crate::signal::SignalArgument;
use std::fmt;
use std::rc::Rc;

/// What a server is doing; [`TcpServer::state_changed`](crate::TcpServer::state_changed) tells each change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerState {
    /// It does not listen: not yet, or no more.
    #[default]
    Closed,
    /// It is about to listen; through a proxy that may take time, also again after the proxy was lost.
    Starting,
    /// It listens. That nobody is let in for now, because a limit is reached, does not change it.
    Listening,
    /// It listens, and lets nobody in until [`resume_accepting`](crate::TcpServer::resume_accepting) is called.
    Paused,
    /// It listens, but the process or the system has no descriptors or memory for another connection. It goes on by
    /// itself.
    Exhausted,
    /// It lets nobody in any more, and waits for its connections to end, until the deadline.
    Draining,
}

impl SignalArgument for ServerState {}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Starting => "starting",
            Self::Listening => "listening",
            Self::Paused => "paused",
            Self::Exhausted => "exhausted",
            Self::Draining => "draining",
        })
    }
}

/// How many changes are kept for slots while nobody takes turns.
const UNTOLD: usize = 1000;

impl ServerCore {
    fn present_state(&self) -> ServerState {
        let acceptor = self.acceptor.borrow();
        if self.drain.borrow().is_some() {
            ServerState::Draining
        } else if self.listening.get().is_none() {
            if self.proxied.borrow().is_some() { ServerState::Starting } else { ServerState::Closed }
        } else if acceptor.is_paused() {
            ServerState::Paused
        } else if acceptor.is_exhausted() {
            ServerState::Exhausted
        } else {
            ServerState::Listening
        }
    }

    /// Notes the state, to be told in the loop's next turn; other threads see it at once.
    pub(super) fn update_state(self: &Rc<Self>) {
        self.set_state(self.present_state());
    }

    pub(super) fn set_state(self: &Rc<Self>, state: ServerState) {
        if self.state.replace(state) == state {
            return;
        }
        self.desk.set_state(state);
        if !self.gone.get() {
            let mut untold = self.untold_states.borrow_mut();
            if untold.len() >= UNTOLD {
                untold.pop_front();
            }
            untold.push_back(state);
            drop(untold);
            self.event_loop.add_stated(Rc::downgrade(self));
        }
    }

    /// The loop's turn has come, or a round of a wait: tells what has become of the server.
    pub(crate) fn tell_states(self: &Rc<Self>) {
        self.hear_lanes();
        let listens = |token| self.listening.get().is_some_and(|listening| listening.token == Some(token));
        if self.untold_listening.take().is_some_and(listens) {
            self.emit(&self.listening_changed, Ok(()));
        }
        if self.telling_states.replace(true) {
            return; // in a slot: the outer one goes on
        }
        let _telling = TellingStates(self);
        let number = self.untold_states.borrow().len();
        for _ in 0..number {
            let state = self.untold_states.borrow_mut().pop_front();
            let Some(state) = state else { return };
            self.emit(&self.state_changed, state);
        }
    }
}

/// Changes of the state are being told; a panic leaves the rest for the next turn.
struct TellingStates<'a>(&'a Rc<ServerCore>);

impl Drop for TellingStates<'_> {
    fn drop(&mut self) {
        self.0.telling_states.set(false);
        if !self.0.untold_states.borrow().is_empty() {
            self.0.event_loop.add_stated(Rc::downgrade(self.0));
        }
    }
}
