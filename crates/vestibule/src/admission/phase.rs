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
    pub(super) fn to_number(self) -> u64 {
        self as u64
    }

    pub(super) fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Telling,
            2 => Self::Cutting,
            _ => Self::None,
        }
    }
}
