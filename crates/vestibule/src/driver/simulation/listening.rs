use super::connection::SimulatedConnection;
use super::pipe::Side;
use super::simulated_driver::{Listener, SimulatedDriver};
use super::state::{Listening, lock};
use crate::acceptor::AcceptErrorClass;
use crate::address::Endpoint;
use crate::driver::transport::Line;
use crate::driver::{Arrival, KernelQueue, ListenFailure, ListenRequest, Token, Transport};
use crate::error::Operation;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// Listening and accepting.
impl SimulatedDriver {
    pub(in crate::driver) fn listen(
        &mut self,
        request: &ListenRequest,
    ) -> Result<(Token, Endpoint), ListenFailure> {
        let refuse = |errno: Errno| ListenFailure { operation: Operation::Bind, error: errno.into() };
        if request.endpoint.address.is_null() {
            return Err(refuse(Errno::INVAL));
        }
        let mut network = lock(&self.network);
        let port = match request.endpoint.port {
            0 => network.free_port(),
            port if network.is_taken(port) => return Err(refuse(Errno::ADDRINUSE)),
            port => port,
        };
        let backlog = request.backlog as usize;
        let (slot, generation) = self.listeners.insert(Listener { port, granted: false });
        let token = Token::listener(slot, generation);
        let watcher = Some((self.number, token));
        network.listeners.insert(port, Listening { queue: VecDeque::new(), backlog, watcher });
        Ok((token, Endpoint { port, ..request.endpoint }))
    }

    pub(in crate::driver) fn accept(&mut self, token: Token) -> Result<(Transport, SocketAddr), Errno> {
        let listener = self.listeners.get(token.slot(), token.generation()).ok_or(Errno::BADF)?;
        let id = self.next_client(listener.port)?;
        let connection =
            SimulatedConnection::accepted(Arc::clone(&self.network), id, Arc::clone(&self.stand_in));
        let peer = connection.peer_address().ok_or(Errno::CONNABORTED)?;
        Ok((Transport::new(Line::Simulated(connection)), peer))
    }

    /// Takes the next client from the queue, unless the script says otherwise.
    fn next_client(&self, port: u16) -> Result<u64, Errno> {
        let mut state = lock(&self.network);
        let waiting = state.listeners.get(&port).ok_or(Errno::INVAL)?.queue.front().copied();
        let id = waiting.ok_or(Errno::AGAIN)?;
        let mut result = state.script.accepts.make();
        if result.is_ok() && state.script.descriptors == Some(0) {
            result = Err(Errno::MFILE);
        }
        let lost =
            result.is_err_and(|errno| AcceptErrorClass::of_errno(errno) == AcceptErrorClass::Connection);
        if result.is_ok() || lost {
            state.listeners.get_mut(&port).ok_or(Errno::INVAL)?.queue.pop_front();
        }
        if lost {
            state.reset(id, Side::Server);
            state.leave(id, Side::Server);
        }
        result?;
        if let Some(left) = &mut state.script.descriptors {
            *left -= 1;
        }
        Ok(id)
    }

    pub(in crate::driver) fn grant_accepts(&mut self, token: Token, granted: bool, _blocking: bool) {
        if let Some(listener) = self.listeners.get_mut(token.slot(), token.generation()) {
            listener.granted = granted;
            self.hot.insert(token);
        }
    }

    pub(in crate::driver) fn arrival(&self, transport: &Transport) -> Option<Arrival> {
        let Line::Simulated(connection) = transport.line() else { return None };
        let elapsed = lock(&self.network).elapsed;
        connection.with(|pipe, side| Arrival {
            dead: pipe.near(side).broken,
            age: Some(elapsed.saturating_sub(pipe.born)),
        })
    }

    pub(in crate::driver) fn kernel_queue(&self, token: Token) -> Option<KernelQueue> {
        let listener = self.listeners.get(token.slot(), token.generation())?;
        let state = lock(&self.network);
        let listening = state.listeners.get(&listener.port)?;
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (depth, limit) = (number(listening.queue.len()), number(listening.backlog));
        Some(KernelQueue { depth, limit, overflows: None })
    }
}
