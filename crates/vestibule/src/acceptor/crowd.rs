/// Whether clients come alone or in crowds: a server that found one and then nobody takes one a turn, until a second waits
/// behind it.
///
/// Looking whether a second waits is a system call, in vain most of the time on a server that has little to do; without it
/// the system tells of the second one by itself, a turn later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// The turn in which the last client was taken that had come alone, as far as anybody knows.
    lone: Option<u64>,
}

impl Crowd {
    /// Clients wait in this turn: whether only one of them is to be taken.
    pub(crate) fn takes_one(&mut self, turn: u64) -> bool {
        match self.lone {
            // Told again at once: a second has waited behind the first.
            Some(last) if turn <= last.wrapping_add(1) => self.lone = None,
            Some(_) => self.lone = Some(turn),
            None => {}
        }
        self.lone.is_some()
    }

    /// Nobody waits any more after so many.
    pub(crate) fn emptied(&mut self, turn: u64, taken: u32) {
        self.lone = (taken <= 1).then_some(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::Crowd;

    #[test]
    fn one_a_turn_until_a_second_waits() {
        let mut crowd = Crowd::default();
        assert!(!crowd.takes_one(1), "nothing is known yet");
        crowd.emptied(1, 1);
        assert!(crowd.takes_one(5));
        assert!(crowd.takes_one(9));
        assert!(!crowd.takes_one(10), "somebody was behind the last");
        crowd.emptied(10, 3);
        assert!(!crowd.takes_one(11), "they come in crowds");
        crowd.emptied(11, 1);
        assert!(crowd.takes_one(20));
    }
}
