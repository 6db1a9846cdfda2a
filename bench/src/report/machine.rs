//! The machine and the versions of what was measured.

use crate::server::repository;
use std::fs::read_to_string;
use std::process::{Command, Stdio};

/// Libraries of peers in Rust.
const CRATES: [&str; 7] = ["tokio", "axum", "actix-server", "ntex", "compio", "monoio", "mio"];

/// How the other peers' tools and libraries tell their versions.
const TOOLS: [(&str, &[&str]); 6] = [
    ("rustc", &["rustc", "--version"]),
    ("gcc", &["gcc", "-dumpfullversion"]),
    ("Qt", &["pkg-config", "--modversion", "Qt6Core"]),
    ("libuv", &["pkg-config", "--modversion", "libuv"]),
    ("Go", &["go", "version"]),
    ("Node", &["node", "--version"]),
];

/// A list of facts.
pub(crate) fn facts() -> String {
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = kernel.trim();
    format!("- Linux {kernel}, {model}, {cores} cores\n- {}\n", versions().join(", "))
}

fn versions() -> Vec<String> {
    let locked = read_to_string(repository().join("bench/peers/rust/Cargo.lock")).unwrap_or_default();
    let ours = format!("vestibule {}", env!("CARGO_PKG_VERSION"));
    let crates = CRATES.iter().filter_map(|name| Some(format!("{name} {}", locked_version(&locked, name)?)));
    let tools = TOOLS.iter().filter_map(|(name, words)| Some(format!("{name} {}", told(words)?)));
    let boost = boost().map(|version| format!("Boost {version}"));
    std::iter::once(ours).chain(crates).chain(tools).chain(boost).collect()
}

/// The newest one, when there are several.
fn locked_version<'a>(locked: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = locked.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?;
    after.split('"').next()
}

/// The word with a digit in what a program says about its version.
fn told(words: &[&str]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let word = text.split_whitespace().find(|word| word.contains(|letter: char| letter.is_ascii_digit()))?;
    Some(word.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()).to_owned())
}

fn boost() -> Option<String> {
    let header = read_to_string("/usr/include/boost/version.hpp").ok()?;
    let (_, after) = header.split_once("#define BOOST_LIB_VERSION \"")?;
    Some(after.split('"').next()?.replace('_', "."))
}

/// The date and the time of day, as date(1) tells them.
pub(crate) fn now() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    output.map_or_else(
        |_| "unknown date".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// The commit that is checked out, and whether files differ from it; empty without git.
pub(crate) fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").arg("-C").arg(repository()).args(words).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    let changes = git(&["status", "--porcelain", "--untracked-files=no"]).unwrap_or_default();
    if changes.is_empty() { commit } else { format!("{commit} with changes") }
}

/// How many processes run or want to run, on average of the last minute.
pub(crate) fn busyness() -> String {
    let text = read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_versions() {
        let locked = "name = \"mio\"\nversion = \"0.8.1\"\n\nname = \"mio\"\nversion = \"1.2.3\"\n";
        assert_eq!(locked_version(locked, "mio"), Some("1.2.3"));
        assert_eq!(locked_version(locked, "tokio"), None);
        assert_eq!(told(&["echo", "go", "version", "go1.19.8", "x"]).as_deref(), Some("1.19.8"));
    }
}
