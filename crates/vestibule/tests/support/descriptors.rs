//! How many descriptors the process has, for tests that look for leaks.

use super::LIMIT;
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
