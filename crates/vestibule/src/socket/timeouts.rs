use super::core::Flag;
use super::tcp_socket::TcpSocket;
use crate::event_loop::Timeouts;

impl TcpSocket {
    /// The span in which the slots run.
    #[cfg(feature = "tracing")]
    pub(crate) fn set_span(&self, span: Box<tracing::Span>) {
        let _ = self.core().span.set(span); // a connection has one
    }

    /// Limits how long the connection may take for what, from now on, in place of the limits that it had; those that the
    /// server set begin when the socket is made.
    ///
    /// While the socket waits in a server's pending list its time stands still, and begins anew when it is taken. A socket
    /// without a connection gets none. A socket whose loop takes no turns is not ended meanwhile: blocking calls
    /// have limits of their own.
    pub fn set_timeouts(&self, timeouts: Timeouts) {
        let core = self.core();
        if core.has_connection() {
            core.set(Flag::Watched, timeouts.is_limited());
            core.event_loop.watches.set(&core.event_loop, core.token(), timeouts, core.has_unsent());
            core.event_loop.call_for_turn();
        }
    }
}
