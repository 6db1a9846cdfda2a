use super::core::ServerCore;
use crate::acceptor::{Course, Moment, Until};
use std::rc::Rc;
use std::time::Instant;

/// What the acceptor decides, and telling the driver and the loop of it.
impl ServerCore {
    pub(super) fn course(&self) -> Course {
        let admission = self.admission.borrow();
        if let (Some(_), Some(pace)) = (admission.limits().rate, admission.pace_of_group()) {
            self.acceptor.borrow_mut().set_pace(pace);
        }
        let turn = self.event_loop.turn_number();
        let moment = Moment { held: self.held_until(), ..Moment::of(&admission, turn, || self.now()) };
        self.acceptor.borrow().course(&moment)
    }

    pub(super) fn now(&self) -> Instant {
        self.event_loop.driver.borrow().now()
    }

    /// To be called after everything that the acceptor was told: lets the driver tell clients, or has the loop look
    /// again when something else may change the course.
    pub(super) fn update_credit(self: &Rc<Self>) {
        self.decided.set(false);
        let Some(listening) = self.listening.get() else {
            return;
        };
        let mut course = self.course();
        // What another server of a group only tries comes back at any time, of the rate as well.
        let in_group = self.admission.borrow().is_in_group();
        let waits_for_others = match course {
            Course::Stop(Until::APlaceIsFree) => true,
            Course::Stop(Until::Time(_)) => in_group,
            _ => false,
        };
        if waits_for_others {
            self.admission.borrow().wait();
            course = self.course(); // a place may have come free before anybody waited for it
        }
        let (granted, blocking) = (course.credit() > 0, self.hook.borrow().is_some());
        self.granted.set(granted);
        self.set_willing(granted || matches!(course, Course::Stop(Until::NextTurn)));
        if let Some(token) = listening.token {
            self.event_loop.driver.borrow_mut().grant_accepts(token, granted, blocking);
        }
        let accepts_later = granted && self.has_proxied_client(); // whom no driver tells of
        match course {
            _ if accepts_later && !self.resting.replace(true) => {
                self.event_loop.add_resting(Rc::downgrade(self));
            }
            Course::Stop(Until::NextTurn) if !self.resting.replace(true) => {
                self.event_loop.add_resting(Rc::downgrade(self));
            }
            Course::Stop(Until::APlaceIsFree | Until::Time(_)) if !self.waiting.replace(true) => {
                self.event_loop.add_waiting(Rc::downgrade(self));
            }
            _ => {}
        }
        self.update_state();
    }

    /// A new turn of the loop: a new batch.
    pub(crate) fn turn_began(self: &Rc<Self>) {
        self.resting.set(false);
        if self.has_proxied_client() {
            return self.accept_batch();
        }
        self.update_credit();
    }

    /// Whether a server that waits has no reason to wait any longer.
    pub(crate) fn can_go_on(&self) -> bool {
        let rung = self.acceptor.borrow().retry_at().is_some() && self.ledger.bell().was_rung();
        rung || self.course().credit() > 0
    }

    /// The loop looks whether the server can go on: false when it goes on waiting.
    pub(crate) fn goes_on(self: &Rc<Self>, now: Instant) -> bool {
        let retry_at = self.acceptor.borrow().retry_at();
        if let Some(retry_at) = retry_at {
            if now < retry_at && !self.ledger.bell().was_rung() {
                return false;
            }
            // What is released while the next accept fails must not be missed.
            self.event_loop.driver.borrow().releases().wait(self.ledger.bell());
            self.acceptor.borrow_mut().retry();
        }
        self.waiting.set(false);
        self.update_credit(); // which has it wait again, if need be
        true
    }

    /// When the loop has to look, whatever happens.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        self.listening.get()?;
        let course = self.course();
        // Its time may have come since it was last looked at.
        if course.credit() > 0 { Some(self.now()) } else { course.until() }
    }
}
