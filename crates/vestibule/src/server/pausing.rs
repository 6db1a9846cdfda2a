use super::tcp_server::TcpServer;

impl TcpServer {
    /// Lets no more connections in: clients wait in the kernel's queue. The reference's `pauseAccepting`.
    ///
    /// Paused is a state: it is kept when the server closes and listens again, and only
    /// [`resume_accepting`](Self::resume_accepting) ends it. In a slot it takes effect at once. A blocking wait meanwhile
    /// times out, or answers for what is pending.
    pub fn pause_accepting(&self) {
        self.core().acceptor.borrow_mut().set_paused(true);
        self.core().update_credit();
    }

    /// Ends [`pause_accepting`](Self::pause_accepting); accepting goes on in the loop's next turn. The reference's
    /// `resumeAccepting`.
    pub fn resume_accepting(&self) {
        self.core().acceptor.borrow_mut().set_paused(false);
        self.core().update_credit();
    }

    /// Whether the server listens and is not paused. That nobody is let in for now, because the limit is reached or
    /// resources are lacking, does not change it.
    pub fn is_accepting(&self) -> bool {
        let acceptor = self.core().acceptor.borrow();
        acceptor.is_listening() && !acceptor.is_paused()
    }

    /// How many connections at most are accepted and not yet taken. Default: 30. The reference's
    /// `maxPendingConnections`.
    pub fn max_pending_connections(&self) -> usize {
        self.core().acceptor.borrow().limit()
    }

    /// Bounds how many connections are accepted and not yet taken; the others wait in the kernel's queue. The reference's
    /// `setMaxPendingConnections`.
    ///
    /// Accepting goes on in the loop's next turn after one is taken, or after the limit is raised. Lowering it under
    /// what is pending keeps that. 0 accepts none for now. A hook that appends nothing is not bounded.
    pub fn set_max_pending_connections(&self, limit: usize) {
        self.core().acceptor.borrow_mut().set_limit(limit);
        self.core().update_credit();
    }
}
