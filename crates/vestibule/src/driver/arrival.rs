use std::time::Duration;

/// What is known of a connection that was just accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The client has reset it.
    pub(crate) dead: bool,
    /// How long it waited in the kernel's queue, where the system tells.
    pub(crate) age: Option<Duration>,
}

/// The queue in which the kernel keeps the clients of a listener until they are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelQueue {
    /// How many clients wait.
    pub depth: u32,
    /// How many may: what the system made of the backlog that was asked for.
    pub limit: u32,
    /// How often a queue of any listener in this network namespace was full since the system started. `None` where the
    /// system does not tell.
    pub overflows: Option<u64>,
}

impl KernelQueue {
    /// Two queues as one; the overflows are those of all queues anyway.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { depth: self.depth + other.depth, limit: self.limit + other.limit, ..self }
    }
}
