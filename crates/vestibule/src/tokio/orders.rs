use super::door::Drain;
use super::shared::{Phase, Shared, now};
use crate::event_loop::later;
use crate::server::{DrainAccount, DrainOptions, DrainReport, Order, Reply};
use crate::sync::lock;
use std::time::{Duration, Instant};

/// How long connections have to end that were cut at the deadline.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// What a handle asks for, and drains.
impl Shared {
    pub(super) fn carry_out_orders(&self) {
        if !self.desk.has_orders() {
            return;
        }
        let _one_after_the_other = lock(&self.orders);
        while let Some(order) = self.desk.take() {
            self.carry_out(order);
            self.caller.warden.notify_one(); // for drains
            self.caller.wake_accepting();
        }
    }

    fn carry_out(&self, order: Order) {
        match order {
            Order::Pause(reply) => {
                self.set_paused(true);
                self.answer(reply);
            }
            Order::Resume(reply) => {
                self.set_paused(false);
                reply.send(());
            }
            Order::Stop(reply) => {
                self.close();
                self.answer(reply);
            }
            Order::Drain(options, reply) => self.drain(options, reply),
            Order::SetLimits(limits, reply) => {
                lock(&self.door).set_limits(*limits, now());
                self.answer(reply);
            }
            Order::TellQueue(reply) => reply.send(self.queues.kernel_queue()),
            Order::Call(call) => drop(call), // there is no `TcpServer`
        }
    }

    /// When it is true: a listener may still be accepting a client for whom that was decided before.
    fn answer(&self, reply: Reply<()>) {
        let reply = lock(&self.door).attempts.hold(reply);
        if let Some(reply) = reply {
            reply.send(());
        }
    }

    fn set_paused(&self, paused: bool) {
        let mut door = lock(&self.door);
        door.acceptor.set_paused(paused);
        self.update_state(&mut door);
    }

    /// Begins to drain, or brings the deadline of the drain under way forward.
    fn drain(&self, options: DrainOptions, reply: Reply<DrainReport>) {
        let now = now();
        let (closing, deadline) = (later(now, options.deadline / 2), later(now, options.deadline));
        let mut door = lock(&self.door);
        if let Some(drain) = &mut door.drain {
            drain.closing = drain.closing.min(closing);
            drain.deadline = drain.deadline.min(deadline);
            drain.replies.push(reply);
            let deadline = drain.deadline;
            self.phase.send_if_modified(|phase| phase.bring_forward(deadline));
            return;
        }
        let account = DrainAccount::open(&self.ledger, now, door.attempts.places());
        door.drain = Some(Drain { account, closing, deadline, replies: vec![reply] });
        if !door.closed {
            // Who is just being accepted is in no queue any more, and not here yet.
            let number = self.queues.count_leftovers().saturating_add(door.attempts.under_way() as u64);
            door.acceptor.drain(options.leftover, number);
        }
        self.update_state(&mut door);
        self.phase.send_replace(Phase::Draining(deadline));
    }

    /// Goes on with the drain, and ends it when nothing is left or it has lasted too long; tells when to look again.
    pub(super) fn advance_drain(&self) -> Option<Instant> {
        let now = now();
        let mut door = lock(&self.door);
        if door.drain.is_some() || !self.has_listeners() {
            self.ledger.bell().wait(); // for connections that end
        }
        let Drain { closing, deadline, .. } = *door.drain.as_ref()?;
        let over = now >= deadline;
        if !door.closed && (now >= closing || door.acceptor.has_drained_queue()) {
            let in_vain = !door.acceptor.has_drained_queue();
            let queue = self.queues.together().filter(|_| in_vain);
            if let (Some(drain), Some(queue)) = (&mut door.drain, queue) {
                drain.account.left_in_queue = queue.depth.into();
            }
            self.shut(&mut door);
            drop(door);
            self.end_queues();
            door = lock(&self.door);
        }
        if over && self.phase.send_replace(Phase::Cut) != Phase::Cut {
            self.roll.cut(&self.ledger);
        }
        if (!door.closed || self.ledger.open() > 0 || door.attempts.under_way() > 0)
            && now < later(deadline, GRACE)
        {
            return Some(match (over, door.closed) {
                (true, _) => later(deadline, GRACE),
                (false, true) => deadline,
                (false, false) => closing,
            });
        }
        let drain = door.drain.take()?;
        self.update_state(&mut door);
        drop(door);
        let report = drain.account.close(&self.ledger, now);
        drain.replies.into_iter().for_each(|reply| reply.send(report.clone()));
        self.caller.wake_accepting(); // who serves waits for the end
        None
    }
}
