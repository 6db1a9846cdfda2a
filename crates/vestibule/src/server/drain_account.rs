use super::drain_report::DrainReport;
use crate::admission::{Count, Ledger};
use std::time::Instant;

/// What was counted when a drain began: its report is the difference.
pub(crate) struct DrainAccount {
    began: Instant,
    open: u64,
    before: Counted,
    pub(crate) left_in_queue: u64,
}

#[derive(Clone, Copy)]
struct Counted {
    accepted: u64,
    refused: u64,
    idle: u64,
    cut: u64,
}

impl Counted {
    fn now(ledger: &Ledger) -> Self {
        let get = |count| ledger.get(count);
        Self {
            accepted: get(Count::Accepted),
            refused: ledger.refused(),
            idle: get(Count::EndedIdle),
            cut: get(Count::Cut),
        }
    }
}

impl DrainAccount {
    /// Of those that have a place, so many are only tried.
    pub(crate) fn open(ledger: &Ledger, now: Instant, tried: usize) -> Self {
        ledger.take_cut_peers();
        let open = ledger.open().saturating_sub(tried) as u64;
        Self { began: now, open, before: Counted::now(ledger), left_in_queue: 0 }
    }

    /// The drain is over.
    pub(crate) fn close(self, ledger: &Ledger, now: Instant) -> DrainReport {
        let counted = Counted::now(ledger);
        let let_in = counted.accepted - self.before.accepted;
        let (idle, cut) = (counted.idle - self.before.idle, counted.cut - self.before.cut);
        // Those that were ended and linger elsewhere are counted as what they are.
        let others = (self.open + let_in).saturating_sub(idle + cut);
        let out_of_reach = others.min(ledger.open() as u64);
        DrainReport {
            ended: others - out_of_reach,
            idle,
            cut,
            cut_peers: ledger.take_cut_peers(),
            out_of_reach,
            let_in,
            refused: counted.refused - self.before.refused,
            left_in_queue: self.left_in_queue,
            took: now.saturating_duration_since(self.began),
        }
    }
}
