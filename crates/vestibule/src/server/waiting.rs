use super::core::ServerCore;
use super::tcp_server::TcpServer;
use crate::acceptor::{Course, Crowd, Until};
use crate::driver::Interest;
use crate::error::{Error, Operation, Result, SocketError};
use crate::event_loop::{Also, Wait, later};
use std::rc::Rc;
use std::time::Duration;

/// How often a wait looks for what other threads say when there is no descriptor to be woken by.
const LOOK_WHEN_DEAF: Duration = Duration::from_millis(50);

impl ServerCore {
    fn wait_for_new_connection(self: &Rc<Self>, timeout: Option<Duration>) -> Result<bool> {
        if !self.pending.borrow().is_empty() {
            return Ok(true);
        }
        if !self.is_on() && self.drain.borrow().is_none() {
            let words = "the server is not listening";
            return Err(Error::said(Operation::WaitForNewConnection, SocketError::Operation, words));
        }
        let before = self.acceptor.borrow().let_in_all();
        let wait = self.event_loop.begin_wait(timeout);
        loop {
            wait.begin_batch();
            wait.tidy();
            if let Some(result) = self.end_of_wait(before) {
                return Ok(result);
            }
            self.update_credit();
            if self.look_for_clients(&wait)? {
                self.yields.set(false); // nobody else's turn comes in a wait
                self.crowd.set(Crowd::default()); // and it lets in whoever is there
                self.accept_batch();
            }
            if let Some(result) = self.end_of_wait(before) {
                return Ok(result);
            }
            if wait.is_over() {
                let kind = SocketError::SocketTimeout;
                self.note(kind, kind.text());
                return Ok(false);
            }
        }
    }

    /// Waits until clients may be there who may be let in, or something else needs a look; tells whether they are there.
    fn look_for_clients(self: &Rc<Self>, wait: &Wait<'_>) -> Result<bool> {
        let course = self.course();
        let accepts = course.credit() > 0;
        if accepts && self.has_proxied_client() {
            return Ok(true);
        }
        let listener = self.listening.get().and_then(|listening| listening.token).filter(|_| accepts);
        let mut interests: Vec<_> = listener.map(Interest::readable).into_iter().collect();
        let needs = self.proxied_needs();
        let looks_up = needs.as_ref().is_some_and(|needs| needs.also == Also::OtherThreads);
        let others = looks_up || self.listens_to_others(course);
        let also = if others && self.event_loop.can_be_woken() { Also::OtherThreads } else { Also::Nothing };
        let look = (others && also == Also::Nothing).then(|| later(self.now(), LOOK_WHEN_DEAF));
        let proxied_at = needs.as_ref().and_then(|needs| needs.wake_at);
        let wake_at = [course.until(), self.drain_deadline(), look, proxied_at].into_iter().flatten().min();
        interests.extend(needs.into_iter().flat_map(|needs| needs.interests));
        let ready = wait.look(&interests, also, wake_at);
        let ready = ready.map_err(|error| Error::system(Operation::WaitForNewConnection, error))?;
        self.go_on_binding(&ready, wait.now());
        Ok(ready.iter().any(|found| Some(found.token) == listener))
    }

    /// Does what this server has to do beside accepting, and tells whether there is nothing more to wait for.
    fn end_of_wait(self: &Rc<Self>, let_in_before: u64) -> Option<bool> {
        self.answer_requests();
        self.advance_drain();
        self.look_at_lanes();
        self.tell_states();
        if self.acceptor.borrow().let_in_all() > let_in_before {
            return Some(true);
        }
        let drains = self.drain.borrow().is_some();
        (self.gone.get() || (!self.is_on() && !drains)).then_some(false)
    }

    /// Whether other threads may have something to say to the server.
    fn listens_to_others(&self, course: Course) -> bool {
        let waits =
            course == Course::Stop(Until::APlaceIsFree) || self.acceptor.borrow().retry_at().is_some();
        waits || self.desk.is_staffed() || self.drain.borrow().is_some()
    }
}

impl TcpServer {
    /// Blocks until a connection is there, at most so long; `None` waits for ever, `Some(Duration::ZERO)` looks once. The
    /// reference's `waitForNewConnection`.
    ///
    /// True at once when one is pending already. Else true exactly if at least one was accepted meanwhile, even if a slot
    /// or the hook took it; several may be. False after the time-out, noted as the last error `SocketTimeout`; also when
    /// a slot closed or dropped the server. Needs no running loop and no thread. Runs the hook and the slots of this
    /// server, and nothing else: what other sockets have written leaves meanwhile, but what they have to tell waits for
    /// the loop's next turn. May be called in a slot. While the server [drains](Self::drain) it lasts until that is over, and
    /// answers false then.
    ///
    /// # Errors
    ///
    /// When the server does not listen and nothing is pending; that is not noted as the last error.
    ///
    /// # Examples
    ///
    /// A server without a loop:
    ///
    /// ```no_run
    /// use vestibule::{HostAddress, TcpServer};
    ///
    /// let server = TcpServer::standalone()?;
    /// server.listen(HostAddress::ANY, 7777)?;
    /// while server.wait_for_new_connection(None)? {
    ///     if let Some(socket) = server.next_pending_connection() {
    ///         socket.write(b"You will be hungry again in one hour.\n");
    ///     }
    /// }
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn wait_for_new_connection(&self, timeout: Option<Duration>) -> Result<bool> {
        self.core().wait_for_new_connection(timeout)
    }
}
