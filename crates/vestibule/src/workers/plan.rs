use crate::admission::Limits;
use crate::event_loop::Timeouts;
use crate::server::ListenOptions;
use std::num::NonZeroUsize;
use std::thread;

/// How workers share the clients of their address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueueSharing {
    /// All accept from one queue of the kernel, and a client wakes one worker that has nothing else to do (on Linux with
    /// `EPOLLEXCLUSIVE`; elsewhere all wake, and one gets it).
    ///
    /// The right choice for most: whoever has time takes the next client, so nobody waits behind a worker that is busy, and
    /// a worker that ends takes no client with it. A worker that has more connections open than another leaves new ones to
    /// it, when it is ahead by more than 16 and by more than an eighth; but for 2 ms at most, then it lets a batch in,
    /// because the other may be busy.
    #[default]
    OneQueue,
    /// Each has a queue of its own, and the kernel chooses one by a hash of the client's address (`SO_REUSEPORT`).
    ///
    /// For very many short connections on many cores, where one queue's lock is what costs, or where a client's next
    /// connection should come to the same worker. Clients wait behind a worker that is busy though others have time, and
    /// connections spread by chance. The queue of a worker that ends goes to another, so that nobody is reset. Other programs
    /// of the same user can listen on the same port.
    ReusePort,
}

/// What happens when a worker dies: a panic came out of its loop, its loop cannot wait any more, or a slot has told it to quit
/// (to end a group, [drain](crate::WorkersHandle::drain) it).
///
/// Panics of slots do not come so far, unless [`contain_panics`](crate::Workers::contain_panics) is off. A listening
/// descriptor that is broken ends the group whatever is said here: no other worker could do better with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerLoss {
    /// Another takes its place, at once or, when they die one after the other, after a pause that doubles up to half a second.
    /// Its connections have ended; the clients in the queue notice nothing.
    #[default]
    Replace,
    /// All end, and [`WorkerGroup::join`](crate::WorkerGroup::join) returns the error.
    End,
}

/// What was asked of workers.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) number: usize,
    pub(super) sharing: QueueSharing,
    pub(super) loss: WorkerLoss,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) contain_panics: bool,
    pub(super) pin: bool,
}

impl Plan {
    pub(super) fn new(number: usize) -> Self {
        let number = match number {
            0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            number => number,
        };
        Self {
            number,
            sharing: QueueSharing::default(),
            loss: WorkerLoss::default(),
            limits: Limits::new(),
            timeouts: Timeouts::new(),
            contain_panics: true,
            pin: false,
        }
    }

    /// With several queues, each socket has to allow the others.
    pub(super) fn adapted(&self, options: ListenOptions) -> ListenOptions {
        match self.sharing {
            QueueSharing::OneQueue => options,
            QueueSharing::ReusePort => options.reuse_port(true),
        }
    }
}
