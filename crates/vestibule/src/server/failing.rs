use super::core::ServerCore;
use crate::acceptor::{AcceptErrorClass, AcceptVerdict};
use crate::error::{Operation, SocketError, describe};
use rustix::io::Errno;
use std::rc::Rc;
use std::time::Instant;

/// Accepts that fail.
impl ServerCore {
    /// Does what the acceptor decides.
    pub(crate) fn accept_failed(self: &Rc<Self>, errno: Errno) {
        let now = self.now();
        let class = AcceptErrorClass::of_errno(errno);
        let verdict = self.acceptor.borrow_mut().accept_failed(class, self.event_loop.turn_number(), now);
        self.ledger.count_failure(class);
        match verdict {
            AcceptVerdict::Continue => self.update_credit(),
            AcceptVerdict::BackOff { tell } => {
                if tell {
                    // Later in the episode each try has begun to wait before: to do so again would miss what was released since.
                    self.event_loop.driver.borrow().releases().wait(self.ledger.bell());
                    self.ledger.begin_episode(now);
                }
                self.update_credit();
                if tell {
                    self.log_exhaustion(errno, now);
                    self.tell_accept_error(errno);
                }
                if class == AcceptErrorClass::Resources {
                    self.use_reserve();
                }
            }
            AcceptVerdict::StopListening => {
                self.stop_listening();
                crate::log::warning!("the listener is broken: {errno}; the server has stopped listening");
                self.tell_accept_error(errno);
            }
        }
    }

    /// At most one line a second, though a server at the edge of its descriptors has many episodes.
    fn log_exhaustion(&self, errno: Errno, now: Instant) {
        let mut seldom = self.seldom.get();
        if let Some(withheld) = seldom.write(now) {
            let endpoint = self.endpoint();
            crate::log::warning!(
                "cannot accept on {endpoint}: {errno}; will go on by itself ({withheld} times more since the last line)"
            );
        }
        self.seldom.set(seldom);
    }

    fn tell_accept_error(self: &Rc<Self>, errno: Errno) {
        let (kind, text): (SocketError, _) = describe(&errno.into(), Operation::Accept);
        self.note(kind, text);
        self.emit(&self.accept_error, kind);
    }

    /// The episode is over.
    pub(super) fn note_recovery(self: &Rc<Self>) {
        self.ledger.end_episode(self.now());
        self.fill_reserve();
        self.update_state();
    }

    /// Answers a few of those who wait, by means of the descriptor that is kept for that.
    fn use_reserve(self: &Rc<Self>) {
        for _ in 0..RESERVE_BATCH {
            let token = self.listening.get().and_then(|listening| listening.token);
            let (Some(token), Some(reserve)) = (token, self.reserve.take()) else { return };
            drop(reserve);
            let accepted = self.event_loop.driver.borrow_mut().accept(token);
            if let Ok((transport, peer)) = accepted {
                self.refuse_from_reserve(transport, peer);
            } else {
                self.fill_reserve();
                return;
            }
        }
    }

    /// Takes a descriptor into reserve, if one is to be kept and can be had.
    pub(super) fn fill_reserve(&self) {
        if self.listening.get().is_some() && self.admission.borrow().limits().reserve {
            // What is there is kept: at the edge there is no other to be had.
            let kept = self.reserve.take();
            let reserve = kept.or_else(|| self.event_loop.driver.borrow().reserve_descriptor());
            self.reserve.set(reserve);
        } else {
            self.reserve.take();
        }
    }
}

/// How many clients are answered each time that an accept has failed.
const RESERVE_BATCH: usize = 8;
