use std::time::{Duration, Instant};

/// How far apart lines of one kind are at least.
const APART: Duration = Duration::from_secs(1);

/// Lines for a log that come seldom, however often there is a reason: those in between are counted.
///
/// A server that lives at the edge of its descriptors has an episode for each connection that ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seldom {
    last: Option<Instant>,
    withheld: u32,
}

impl Seldom {
    /// Whether the line is to be written now, and how many were withheld since the last.
    pub(crate) fn write(&mut self, now: Instant) -> Option<u32> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < APART) {
            self.withheld = self.withheld.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::Seldom;
    use std::time::{Duration, Instant};

    #[test]
    fn one_line_a_second_and_the_others_are_counted() {
        let (mut seldom, begun) = (Seldom::default(), Instant::now());
        let written: Vec<_> =
            (0..25).map(|tenth| seldom.write(begun + Duration::from_millis(tenth * 100))).collect();
        let lines: Vec<_> =
            written.iter().enumerate().filter_map(|(at, line)| line.map(|line| (at, line))).collect();
        assert_eq!(lines, [(0, 0), (10, 9), (20, 9)]);
    }
}
