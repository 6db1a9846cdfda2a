use super::shared::Shared;
use crate::sync::{AtomicBool, Ordering, lock};
use std::sync::Arc;
use std::time::Instant;

/// Carries out what a handle asks for, and drains: a task of its own, so that it is done also while nobody accepts.
pub(super) struct Warden {
    shared: Arc<Shared>,
    /// While it is polled; so still after a panic of its own.
    at_work: AtomicBool,
}

impl Warden {
    /// Makes sure that there is one; in a runtime.
    pub(super) fn appoint(shared: &Arc<Shared>) {
        if !shared.has_warden.load(Ordering::Relaxed) && !shared.has_warden.swap(true, Ordering::SeqCst) {
            let warden = Self { shared: Arc::clone(shared), at_work: AtomicBool::new(false) };
            ::tokio::spawn(async move { warden.work().await });
        }
    }

    async fn work(&self) {
        let mut serving = std::pin::pin!(self.serve());
        std::future::poll_fn(|context| {
            self.at_work.store(true, Ordering::Relaxed);
            let result = serving.as_mut().poll(context);
            self.at_work.store(false, Ordering::Relaxed);
            result
        })
        .await;
    }

    async fn serve(&self) {
        let shared = &self.shared;
        loop {
            let called = shared.caller.warden.notified();
            shared.carry_out_orders();
            let next = shared.advance_drain();
            if self.is_over() {
                return;
            }
            wait_until(called, next).await;
        }
    }

    /// Nobody can come in, nobody is here, and nobody waits for the end.
    fn is_over(&self) -> bool {
        let shared = &self.shared;
        !shared.has_listeners() && shared.ledger.open() == 0 && lock(&shared.door).drain.is_none()
    }
}

async fn wait_until(called: impl Future<Output = ()>, next: Option<Instant>) {
    match next {
        // Which of the two it was shows a look.
        Some(at) => drop(::tokio::time::timeout_at(at.into(), called).await),
        None => called.await,
    }
}

/// Its runtime may end before the listener's other shards: one of those appoints another then. After a panic of its
/// own, as in a runtime without a clock, another would fare no better.
impl Drop for Warden {
    fn drop(&mut self) {
        if self.at_work.load(Ordering::Relaxed) {
            return self.shared.give_up();
        }
        self.shared.has_warden.store(false, Ordering::SeqCst);
        if self.shared.has_listeners() {
            self.shared.caller.wake_accepting();
        } else {
            self.shared.give_up();
        }
    }
}
