/// What the loops that have connections of a server are to do with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DrainPhase {
    #[default]
    None,
    /// They are told, and ended when they have nothing to do.
    Telling,
    /// They are cut.
    Cutting,
}

impl DrainPhase {
    /// A number in which each change of the phase is another.
    pub(super) fn after(self, number: u64) -> u64 {
        ((number | 3) + 1) | self as u64
    }

    pub(crate) fn of(number: u64) -> Self {
        match number & 3 {
            1 => Self::Telling,
            2 => Self::Cutting,
            _ => Self::None,
        }
    }
}
