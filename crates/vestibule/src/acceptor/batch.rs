/// How many connections one listener accepts in one turn, so that sockets get their turn too.
const SIZE: u32 = 16;

/// What is left of a turn's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    turn: u64,
    used: u32,
}

impl Batch {
    pub(super) const NONE: Self = Self { turn: 0, used: 0 };

    pub(super) fn left(self, turn: u64) -> u32 {
        if self.turn == turn { SIZE.saturating_sub(self.used) } else { SIZE }
    }

    pub(super) fn spend(&mut self, turn: u64) {
        if self.turn != turn {
            *self = Self { turn, used: 0 };
        }
        self.used = self.used.saturating_add(1);
    }
}
