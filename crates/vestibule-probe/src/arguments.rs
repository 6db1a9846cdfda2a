//! The words behind a command.

use crate::failure::Failure;
use std::str::FromStr;
use std::time::Duration;

/// The words behind a command.
pub(crate) struct Arguments<'a>(Vec<&'a str>);

impl<'a> Arguments<'a> {
    pub(crate) fn new(words: impl Iterator<Item = &'a str>) -> Self {
        Self(words.collect())
    }

    pub(crate) fn optional(&self, at: usize) -> Option<&'a str> {
        self.0.get(at).copied()
    }

    pub(crate) fn word(&self, at: usize) -> Result<&'a str, Failure> {
        self.optional(at).ok_or_else(|| Failure::Malformed(format!("argument {} is missing", at + 1)))
    }

    pub(crate) fn words(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn number<T: FromStr>(&self, at: usize) -> Result<T, Failure> {
        read(self.word(at)?, "a number that fits")
    }

    pub(crate) fn optional_number<T: FromStr>(&self, at: usize) -> Result<Option<T>, Failure> {
        self.optional(at).map(|word| read(word, "a number that fits")).transpose()
    }

    /// A span of time in milliseconds.
    pub(crate) fn time(&self, at: usize) -> Result<Duration, Failure> {
        self.number(at).map(Duration::from_millis)
    }

    /// How long to wait, in milliseconds; for ever if negative.
    pub(crate) fn limit(&self, at: usize) -> Result<Option<Duration>, Failure> {
        let milliseconds: i64 = self.number(at)?;
        Ok(u64::try_from(milliseconds).ok().map(Duration::from_millis))
    }
}

/// Reads a word, or says what it should have been.
pub(crate) fn read<T: FromStr>(word: &str, expected: &str) -> Result<T, Failure> {
    word.parse().map_err(|_| Failure::Malformed(format!("`{word}` is not {expected}")))
}
