//! What can be said on the command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use vestibule::Endpoint;

/// Small TCP servers, built on the vestibule library.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell every client a fortune, and close the connection.
    Fortune(Fortune),
    /// Send everything back that a client sends.
    Echo(Service),
}

#[derive(Args, Debug)]
pub(crate) struct Fortune {
    #[command(flatten)]
    pub(crate) service: Service,

    /// A file with fortunes, separated by lines that hold a single `%`, or one on each line.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// What all servers have.
#[derive(Args, Debug)]
pub(crate) struct Service {
    /// Where to listen: an IP address and a port, `*` for all addresses, port 0 for a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7777")]
    pub(crate) listen: Endpoint,

    /// Log a line for each connection on standard error.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}
