/// Names a listener or a connection of a driver: a slot, and the generation of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token {
    slot: u32,
    generation: u32,
}

/// Marks the slots of listeners, which have a table of their own.
const LISTENER: u32 = 1 << 31;

impl Token {
    /// Names nothing.
    pub(crate) const NOWHERE: Self = Self { slot: LISTENER - 1, generation: u32::MAX };

    pub(crate) fn connection(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    pub(super) fn listener(slot: u32, generation: u32) -> Self {
        Self { slot: slot | LISTENER, generation }
    }

    pub(crate) fn is_listener(self) -> bool {
        self.slot & LISTENER != 0
    }

    /// Where the object stands in a table of its kind.
    pub(crate) fn slot(self) -> usize {
        (self.slot & !LISTENER) as usize
    }

    pub(super) fn generation(self) -> u32 {
        self.generation
    }

    pub(super) fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    #[allow(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
    pub(super) fn from_u64(number: u64) -> Self {
        Self { slot: number as u32, generation: (number >> 32) as u32 }
    }
}
