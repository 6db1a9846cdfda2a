//! The results of all trials, in a file that grows as they come.

use crate::Outcome;
use crate::finding::{Finding, Values};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

const HEADER: &str = "mode,server,round,finding";
/// What a line about the run begins with.
const REMARK: &str = "# ";

/// What was found out in one trial.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    pub(crate) server: String,
    pub(crate) round: usize,
    pub(crate) finding: Finding,
}

/// All entries, and remarks about the runs that they are of.
#[derive(Debug)]
pub(crate) struct Results {
    file: File,
    pub(crate) remarks: Vec<String>,
    pub(crate) entries: Vec<Entry>,
}

impl Results {
    /// Opens the file. What is in it is kept beside it under another name, unless it is to be continued.
    pub(crate) fn open(path: &Path, resume: bool) -> Outcome<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if !resume && path.exists() {
            std::fs::rename(path, path.with_extension("previous.csv"))?;
        }
        let text = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if text.is_empty() {
            writeln!(file, "{HEADER}")?;
        }
        let remarks = text.lines().filter_map(|line| line.strip_prefix(REMARK)).map(str::to_owned).collect();
        Ok(Self { file, remarks, entries: text.lines().filter_map(parse).collect() })
    }

    /// Adds a remark about the run that begins.
    pub(crate) fn remark(&mut self, text: String) -> Outcome<()> {
        writeln!(self.file, "{REMARK}{text}")?;
        self.remarks.push(text);
        Ok(())
    }

    pub(crate) fn add(&mut self, entry: Entry) -> Outcome<()> {
        writeln!(self.file, "{},{},{},{}", entry.mode, entry.server, entry.round, entry.finding)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Whether this trial has been made and was no failure.
    pub(crate) fn have(&self, mode: &str, server: &str, round: usize) -> bool {
        self.of(mode, server).any(|(number, _)| number == round)
    }

    /// What was measured of a server in a mode, with the numbers of the rounds.
    pub(crate) fn of<'a>(
        &'a self,
        mode: &'a str,
        server: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Values)> {
        self.entries.iter().filter_map(move |entry| match &entry.finding {
            Finding::Measured(values) if entry.mode == mode && entry.server == server => {
                Some((entry.round, values))
            }
            _ => None,
        })
    }
}

fn parse(line: &str) -> Option<Entry> {
    let mut parts = line.splitn(4, ',');
    let (mode, server) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let round = parts.next()?.parse().ok()?;
    Some(Entry { mode, server, round, finding: Finding::parse(parts.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_and_ignores_others() {
        let entry = parse("fortune,go,3,failed a wrong, fortune");
        let finding = Finding::Failed("a wrong, fortune".into());
        let expected = Entry { mode: "fortune".into(), server: "go".into(), round: 3, finding };
        assert_eq!(entry, Some(expected));
        assert_eq!(parse(HEADER), None);
        assert_eq!(parse("# a remark"), None);
    }
}
