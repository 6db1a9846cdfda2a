//! What can be said on the command line.

use clap::Parser;
use std::path::PathBuf;

/// The same lack of descriptors for several servers, side by side; prints one Markdown table.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Only these servers, as the table names them. Default: all.
    #[arg(value_name = "SERVER")]
    pub(crate) servers: Vec<String>,

    /// The program `vestibule` to measure. Default: it is built from the repository that this is part of.
    #[arg(long, value_name = "PATH")]
    pub(crate) vestibule: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) size: Size,
}

/// How large a trial is.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How many clients connect to each server.
    #[arg(long, default_value_t = 2000)]
    pub(crate) clients: usize,

    /// How many descriptors each server has.
    #[arg(long, default_value_t = 256)]
    pub(crate) descriptors: u64,

    /// How many times one descriptor is released and the next client's service waited for.
    #[arg(long, default_value_t = 200)]
    pub(crate) releases: usize,
}
