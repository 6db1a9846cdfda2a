use super::refusal::RefusalReason;
use super::statistics::BATCH_SIZES;

/// What a server counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Count {
    Accepted,
    MostOpen,
    Pending,
    /// Errors of accepting, by class.
    ConnectionErrors,
    ResourceErrors,
    BrokenErrors,
    UnknownErrors,
    /// Episodes without descriptors or memory.
    Episodes,
    /// Nanoseconds in the episodes that are over.
    ExhaustedFor,
    /// When the episode under way began, in nanoseconds since the server was made; 0 when none is.
    ExhaustedSince,
    /// How many connections' age in the kernel's queue was measured; then their ages in nanoseconds.
    AgesMeasured,
    AgesTogether,
    GreatestAge,
    /// What sockets on other threads count too.
    TimedOut,
    EndedIdle,
    Cut,
    Panics,
    /// The first of the reasons for refusing, in their own order.
    Refused,
    /// The first of the sizes of batches.
    Batches = Count::REFUSED + RefusalReason::ALL.len(),
}

impl Count {
    const REFUSED: usize = 17;
    /// How many there are.
    pub(super) const ALL: usize = Self::REFUSED + RefusalReason::ALL.len() + BATCH_SIZES;
}

const _: () = assert!(Count::Refused as usize == Count::REFUSED);
