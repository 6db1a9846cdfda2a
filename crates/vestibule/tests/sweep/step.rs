//! What may happen next.

use crate::chance::Chance;
use Step::{
    Abort, ClientEnds, ClientLeaves, ClientResets, ClientSends, Close, Connect, Descriptors, Disconnect,
    Drain, Drop, HandBack, Limit, Listen, Pass, Pause, PendingLimit, Read, Resume, Take, TakeAll, Turn, Wait,
    Write,
};

/// One step; which client, which socket, or how many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many clients.
    Connect(usize),
    ClientSends(usize),
    ClientEnds(usize),
    ClientResets(usize),
    ClientLeaves(usize),
    Take,
    TakeAll,
    Read(usize),
    Write(usize),
    Disconnect(usize),
    Abort(usize),
    Drop(usize),
    HandBack(usize),
    Pause,
    Resume,
    PendingLimit(usize),
    Limit(Option<usize>, Over),
    Descriptors(Option<usize>),
    Drain {
        milliseconds: u64,
        refuses: bool,
    },
    Close,
    Listen,
    /// A turn of the loop.
    Turn(u64),
    /// A blocking wait of the server.
    Wait(u64),
    /// Time alone.
    Pass(u64),
}

/// What happens to clients over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Waits,
    Closed,
    Reset,
    GetsAWord,
}

impl Step {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let which = chance.below(4);
        match chance.below(100) {
            0..21 => Connect(1 + chance.below(3)),
            21..42 => Turn(chance.one_of(&[0, 0, 0, 1, 7, 600])),
            42..46 => Wait(chance.one_of(&[0, 1, 7, 600])),
            46..49 => Pass(chance.one_of(&[1, 3, 20, 600])),
            49..58 => Take,
            58..60 => TakeAll,
            60..70 => Drop(which),
            70..72 => Disconnect(which),
            72 => Abort(which),
            73 => HandBack(which),
            74 => Write(which),
            75 => Read(which),
            76..78 => ClientSends(which),
            78 => ClientEnds(which),
            79 => ClientResets(which),
            80..82 => ClientLeaves(which),
            82..84 => Pause,
            84..88 => Resume,
            88..90 => PendingLimit(chance.one_of(&[0, 1, 2, 5, 30])),
            90..93 => {
                let over =
                    chance.one_of(&[Over::Waits, Over::Waits, Over::Closed, Over::Reset, Over::GetsAWord]);
                Limit(chance.one_of(&[None, None, Some(0), Some(1), Some(3), Some(8)]), over)
            }
            93..96 => Descriptors(chance.one_of(&[None, None, Some(0), Some(1), Some(3)])),
            96 => Drain { milliseconds: chance.one_of(&[0, 5, 50, 3000]), refuses: chance.below(2) == 0 },
            97 if which == 0 => Close,
            _ => Listen,
        }
    }

    /// Whether it may end a connection, or take a client from the queue.
    pub(crate) fn may_end(self) -> bool {
        !matches!(self, Connect(_) | Take | Pause | Resume | PendingLimit(_) | Limit(..) | Listen | Pass(_))
    }

    /// Whether clients may be accepted in it.
    pub(crate) fn accepts(self) -> bool {
        matches!(self, Turn(_) | Wait(_))
    }
}
