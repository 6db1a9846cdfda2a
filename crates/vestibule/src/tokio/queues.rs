use super::queue::Leftovers;
use crate::driver::{KernelQueue, kernel_queue_of, queue_overflows};
use crate::sync::{Mutex, lock};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, shutdown};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

/// The queues of all listeners of a door, for what concerns them all. They belong to the listeners.
#[derive(Debug, Default)]
pub(super) struct Queues(Mutex<Vec<Kept>>);

/// A queue that a listener accepts from.
#[derive(Debug)]
struct Kept {
    descriptor: Weak<OwnedFd>,
    /// Whether nobody else may have it.
    own: bool,
    leftovers: Leftovers,
}

impl Queues {
    pub(super) fn add(&self, descriptor: &Arc<OwnedFd>, own: bool) -> Leftovers {
        let leftovers = Leftovers::default();
        let kept = Kept { descriptor: Arc::downgrade(descriptor), own, leftovers: leftovers.clone() };
        lock(&self.0).push(kept);
        leftovers
    }

    /// A drain begins: notes who waits in which queue, and tells how many they are. Where the system does not tell, nobody comes too
    /// late until a queue is empty.
    pub(super) fn count_leftovers(&self) -> u64 {
        let mut all: u64 = 0;
        for kept in lock(&self.0).iter() {
            let Some(queue) = kept.descriptor.upgrade() else { continue };
            let number = kernel_queue_of(&*queue).map_or(u64::MAX, |queue| queue.depth.into());
            kept.leftovers.set(number);
            all = all.saturating_add(number);
        }
        all
    }

    /// The queues of the kernel, as one; the overflows, which take longer to find out, are left out.
    pub(super) fn together(&self) -> Option<KernelQueue> {
        let mut all: Option<KernelQueue> = None;
        for queue in lock(&self.0).iter().filter_map(|queue| queue.descriptor.upgrade()) {
            let queue = kernel_queue_of(&*queue)?;
            all = Some(all.map_or(queue, |all| all.and(queue)));
        }
        all
    }

    /// The same, with the overflows.
    pub(super) fn kernel_queue(&self) -> Option<KernelQueue> {
        self.together().map(|queue| KernelQueue { overflows: queue_overflows(), ..queue })
    }

    /// Whether anybody waits in a queue whom a drain has not done with, as the system sees it now.
    pub(super) fn has_leftovers(&self) -> bool {
        let queues = lock(&self.0);
        let unfinished = queues.iter().filter(|kept| kept.leftovers.has_left());
        unfinished.filter_map(|kept| kept.descriptor.upgrade()).any(|queue| {
            let mut asked = [PollFd::new(&*queue, PollFlags::IN)];
            // Should the system not tell, the deadline ends the drain.
            poll(&mut asked, Some(&Timespec::default())) != Ok(0)
        })
    }

    /// Nobody is to wait in them any more.
    pub(super) fn end(&self) {
        for queue in lock(&self.0).drain(..).filter(|queue| queue.own) {
            // The listener closes it when it is polled or dropped; until then nobody is to wait in it. Where the system cannot
            // end it so, it ends then.
            if let Some(queue) = queue.descriptor.upgrade() {
                let _ = shutdown(&*queue, Shutdown::Both);
            }
        }
    }
}
