//! What a trial found out.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// Figures with names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values(BTreeMap<String, f64>);

impl Values {
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    pub(crate) fn set_count(&mut self, name: &str, count: u64) {
        self.set(name, float(count));
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// The figures whose names begin like this, with the rest of their names.
    pub(crate) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, *value)))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut values = Self::default();
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=')?;
            values.set(name, value.parse().ok()?);
        }
        Some(values)
    }
}

impl Display for Values {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(formatter, "{space}{name}={value}")?;
        }
        Ok(())
    }
}

/// A count as a figure.
#[allow(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Finding {
    Measured(Values),
    /// The server did not start.
    Absent(String),
    Failed(String),
}

impl Finding {
    /// Reads the line that `Display` writes.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.trim_end().split_once(' ')?;
        match kind {
            "measured" => Values::parse(rest).map(Self::Measured),
            "absent" => Some(Self::Absent(rest.to_owned())),
            "failed" => Some(Self::Failed(rest.to_owned())),
            _ => None,
        }
    }
}

impl Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        match self {
            Self::Measured(values) => write!(formatter, "measured {values}"),
            Self::Absent(reason) => write!(formatter, "absent {}", one_line(reason)),
            Self::Failed(reason) => write!(formatter, "failed {}", one_line(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let mut values = Values::default();
        values.set("cpu", 1234.5);
        values.set_count("fortune.accept4", 2);
        let findings = [
            Finding::Measured(values),
            Finding::Absent("it is missing".into()),
            Finding::Failed("a wrong fortune".into()),
        ];
        for finding in findings {
            assert_eq!(Finding::parse(&finding.to_string()), Some(finding));
        }
        assert_eq!(Finding::parse("measured cpu=x"), None);
        assert_eq!(Finding::parse("something"), None);
    }

    #[test]
    fn reasons_stay_on_their_line() {
        assert_eq!(Finding::Failed("one\ntwo".into()).to_string(), "failed one two");
    }
}
