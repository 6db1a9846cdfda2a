//! What can be said on the command line.

use clap::Parser;

/// Measures servers side by side and writes bench/REPORT.md.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) trial: Option<Subcommand>,

    #[command(flatten)]
    pub(crate) campaign: Plan,
}

/// What the driver has other processes do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Measures one server in one mode, and prints one line.
    Trial(Trial),
}

/// Which trial.
#[derive(clap::Args, Debug)]
pub(crate) struct Trial {
    pub(crate) mode: String,
    pub(crate) server: String,

    /// Only so many times fewer operations.
    #[arg(long, default_value_t = 1)]
    pub(crate) divisor: u64,

    /// It runs in a network namespace that is new, and sets it up.
    #[arg(long)]
    pub(crate) isolated: bool,
}

/// What is to be measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Only a few modes, tokio-current and epoll, and few operations; prints a table and leaves the report alone.
    #[arg(long)]
    pub(crate) quick: bool,

    /// How many times each server is measured in each mode [default: 9, quick: 3].
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,

    /// Only these servers.
    #[arg(long, value_name = "SERVER,...", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Only these modes, or those whose names begin with these words.
    #[arg(long, value_name = "MODE,...", value_delimiter = ',')]
    pub(crate) modes: Vec<String>,

    /// Keeps the results of the last run, and measures what they lack.
    #[arg(long = "continue")]
    pub(crate) resume: bool,

    /// Measures nothing; the report is of the results that are there.
    #[arg(long)]
    pub(crate) report_only: bool,
}
