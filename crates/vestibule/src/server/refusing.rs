use super::core::ServerCore;
use crate::admission::{Count, OverLimit, Refusal, RefusalReason};
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
        self.count_refusal(reason);
        self.event_loop.refuse(transport, &self.refusal(reason));
        if reason == RefusalReason::Dead {
            return; // there is nobody
        }
        self.emit(&self.refused, RefusedClient { peer, reason });
    }

    /// The same with the descriptor that is kept for this, and needed again at once.
    pub(super) fn refuse_from_reserve(self: &Rc<Self>, transport: Transport, peer: SocketAddr) {
        let reason = RefusalReason::NoDescriptors;
        self.count_refusal(reason);
        let rung = self.ledger.bell().was_rung();
        self.event_loop.refuse_at_once(transport, &self.refusal(reason));
        self.fill_reserve();
        // That this descriptor was closed is no reason to try again; but others may have been.
        self.event_loop.driver.borrow().releases().wait(self.ledger.bell());
        if rung {
            self.ledger.bell().ring();
        }
        self.emit(&self.refused, RefusedClient { peer, reason });
    }

    fn count_refusal(&self, reason: RefusalReason) {
        self.ledger.write(|counts| counts.add_in_row(Count::Refused, reason as usize));
    }

    fn refusal(&self, reason: RefusalReason) -> Refusal {
        let admission = self.admission.borrow();
        let limits = admission.limits();
        match (reason, &limits.over) {
            (RefusalReason::Dead, _) => Refusal::Close,
            (
                RefusalReason::TooManyConnections | RefusalReason::SharedLimit | RefusalReason::TooFast,
                OverLimit::Refuse(refusal),
            ) => refusal.clone(),
            _ => limits.refusal.clone(),
        }
    }
}
