//! How many descriptors the process has, for tests that look for leaks; and having none.

use super::LIMIT;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::time::Instant;

/// The lowest are used first: what leaks is among them.
pub fn descriptors() -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|number| *number < 200).count()
}

/// Names may still be looked up in threads, with descriptors of their own for a moment. What has leaked never goes away, so
/// one moment without it is proof.
pub fn wait_for_descriptors(number: usize) {
    let begun = Instant::now();
    loop {
        let open = descriptors();
        if open == number {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{open} descriptors are open, and not {number}");
        std::thread::yield_now();
    }
}

/// Takes all descriptors but so many, until it is dropped.
pub struct Shortage {
    before: Rlimit,
    fillers: Vec<File>,
}

impl Shortage {
    pub fn but(free: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        let highest = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse::<u64>().unwrap());
        let current = Some(highest.max().unwrap() + 16);
        setrlimit(Resource::Nofile, Rlimit { current, maximum: before.maximum }).unwrap();
        let mut fillers: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        fillers.truncate(fillers.len() - free);
        Self { before, fillers }
    }
}

impl Drop for Shortage {
    fn drop(&mut self) {
        self.fillers.clear();
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}
