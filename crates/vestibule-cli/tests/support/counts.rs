//! What a line of `--stats` says.

/// A line of `--stats`.
#[derive(Clone, Debug)]
pub struct Counts(String);

impl Counts {
    pub fn read(line: &str) -> Self {
        assert!(line.contains("accepted "), "no line of statistics: {line}");
        Self(line.to_owned())
    }

    /// The number behind these words; 0 when they are left out.
    pub fn of(&self, words: &str) -> u64 {
        let parts = self.0.split([',', '(', ')', ':']).map(str::trim);
        let mut numbers = parts.filter_map(|part| part.strip_prefix(words)?.strip_prefix(' '));
        let number = numbers.next().map_or(0, |rest| {
            let digits = rest.split_whitespace().next().unwrap();
            digits.parse().unwrap_or_else(|_| panic!("no number behind `{words}`: {self}"))
        });
        assert!(numbers.next().is_none(), "`{words}` is there twice: {self}");
        number
    }

    pub fn open(&self) -> u64 {
        self.of("open")
    }

    pub fn accepted(&self) -> u64 {
        self.of("accepted")
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
