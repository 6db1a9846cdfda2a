use super::core::ServerCore;
use crate::admission::RefusalReason;
use crate::driver::Transport;
use crate::signal::SignalArgument;
use std::net::SocketAddr;
use std::rc::Rc;

/// A client that was not let in: what [`TcpServer::refused`](crate::TcpServer::refused) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedClient {
    /// Its address and port.
    pub peer: SocketAddr,
    /// Why it was not let in.
    pub reason: RefusalReason,
}

impl SignalArgument for RefusedClient {}

impl ServerCore {
    /// Gives an accepted client what the limits say for this reason, instead of letting it in.
    pub(super) fn refuse(self: &Rc<Self>, transport: Transport, peer: SocketAddr, reason: RefusalReason) {
        self.ledger.count_refusal(reason);
        let refusal = self.admission.borrow().limits().refusal_for(reason);
        self.event_loop.refuse(transport, &refusal);
        if reason == RefusalReason::Dead {
            return; // there is nobody
        }
        self.emit(&self.refused, RefusedClient { peer, reason });
    }

    /// The same with the descriptor that is kept for this, and needed again at once.
    pub(super) fn refuse_from_reserve(self: &Rc<Self>, transport: Transport, peer: SocketAddr) {
        let reason = RefusalReason::NoDescriptors;
        self.ledger.count_refusal(reason);
        let rung = self.ledger.bell().was_rung();
        let refusal = self.admission.borrow().limits().refusal_for(reason);
        self.event_loop.refuse_at_once(transport, &refusal);
        self.fill_reserve();
        // That this descriptor was closed is no reason to try again; but others may have been.
        self.event_loop.driver.borrow().releases().wait(self.ledger.bell());
        if rung {
            self.ledger.bell().ring();
        }
        self.emit(&self.refused, RefusedClient { peer, reason });
    }
}
