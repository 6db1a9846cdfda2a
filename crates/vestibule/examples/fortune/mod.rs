//! The fortunes, and how they travel: the wire format of Qt's fortune examples up to 4.6, so that those clients and servers
//! and these understand each other.
//!
//! A message is a 16-bit length of what follows, then a 32-bit number of bytes, then that many bytes of UTF-16, all of it
//! big-endian.
#![allow(dead_code, unreachable_pub, reason = "each example uses its part")]

use std::fmt;

pub const FORTUNES: [&str; 7] = [
    "You've been leading a dog's life. Stay off the furniture of others.",
    "A door that is opened slowly is opened by somebody who listens.",
    "You will be surprised by a loud noise, and answer it calmly.",
    "Whoever closes last shall have sent everything.",
    "You might have mail, and it might be for your neighbour.",
    "You will meet a stranger from port 49152.",
    "Be patient: he who backs off comes in first. \u{1f340}",
];

/// One fortune as it travels.
pub fn message(fortune: &str) -> Vec<u8> {
    let longest = usize::from(u16::MAX - 4) / 2; // the length has 16 bits
    let text: Vec<u8> = fortune.encode_utf16().take(longest).flat_map(u16::to_be_bytes).collect();
    let count = u16::try_from(text.len()).unwrap_or_default();
    let mut message = (count + 4).to_be_bytes().to_vec();
    message.extend(u32::from(count).to_be_bytes());
    message.extend(text);
    message
}

/// The fortune at the beginning of these bytes, with the length of its message; `None` when part of it has not come yet.
pub fn read(bytes: &[u8]) -> Option<Result<(String, usize), Garbled>> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let body = rest.get(..length)?;
    let fortune = body.split_first_chunk::<4>().and_then(|(count, text)| {
        let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
        let text = (count == text.len() && count % 2 == 0).then_some(text)?;
        let units: Vec<u16> =
            text.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    });
    Some(fortune.map(|fortune| (fortune, length + 2)).ok_or(Garbled))
}

/// What came is no fortune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbled;

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server sent something that is no fortune")
    }
}

impl std::error::Error for Garbled {}

/// A number below `limit` that nobody needs to predict, nor to be unable to predict.
pub fn below(limit: usize) -> usize {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(limit);
    usize::try_from(random % limit.max(1) as u64).unwrap_or(0)
}
