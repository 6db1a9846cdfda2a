//! What is sent: a byte tells its place in the stream, so that a lost, doubled or foreign byte is noticed.

/// A prime: no buffer's size is a multiple of it.
const PERIOD: usize = 65_521;

/// The longest part that can be asked for.
pub(crate) const LONGEST: usize = 256 * 1024;

/// Bytes that repeat themselves after a period.
#[derive(Debug)]
pub(crate) struct Pattern {
    bytes: Vec<u8>,
}

impl Pattern {
    pub(crate) fn new() -> Self {
        let mut state: u32 = 0x2545_f491;
        let mut bytes = Vec::with_capacity(PERIOD + LONGEST);
        for _ in 0..PERIOD {
            // xorshift32
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            bytes.push(state.to_le_bytes()[1]);
        }
        while bytes.len() < PERIOD + LONGEST {
            let again = bytes[bytes.len() - PERIOD];
            bytes.push(again);
        }
        Self { bytes }
    }

    /// What stands at this place of a stream.
    pub(crate) fn part(&self, place: u64, length: usize) -> &[u8] {
        let start = usize::try_from(place % PERIOD as u64).unwrap_or(0);
        &self.bytes[start..start + length.min(LONGEST)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continues_over_its_period() {
        let pattern = Pattern::new();
        let place = PERIOD as u64 - 10;
        let whole = pattern.part(place, 64).to_vec();
        assert_eq!(whole[..20], *pattern.part(place, 20));
        assert_eq!(whole[20..], *pattern.part(place + 20, 44));
        assert_ne!(pattern.part(0, 64), pattern.part(64, 64));
    }
}
