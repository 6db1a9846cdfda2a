//! Using up the descriptors that the process may open.

use crate::failure::Failure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{self, File};
use std::io;

/// How many descriptors above the highest open one the limit is set, beside those that are to be left: some to fill.
const ROOM: u64 = 8;

/// Descriptors that are open so that nobody else can open any.
#[derive(Default)]
pub(crate) struct Fillers(Vec<File>);

impl Fillers {
    /// Fills up, until exactly so many more descriptors can be opened.
    pub(crate) fn leave(&mut self, number: usize) -> Result<(), Failure> {
        self.0.clear(); // finding the highest one needs a descriptor too
        let limit = highest()? + number as u64 + ROOM;
        setrlimit(
            Resource::Nofile,
            Rlimit { current: Some(limit), maximum: getrlimit(Resource::Nofile).maximum },
        )?;
        while let Ok(file) = File::open("/dev/null") {
            self.0.push(file);
        }
        self.0.truncate(self.0.len().saturating_sub(number));
        Ok(())
    }

    /// Gives them all back, and allows as many as the system does.
    pub(crate) fn give_back(&mut self) -> Result<(), Failure> {
        self.0.clear();
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        Ok(())
    }
}

/// The highest open descriptor.
fn highest() -> io::Result<u64> {
    let mut highest = 0;
    for entry in fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest)
}
