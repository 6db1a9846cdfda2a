//! What can be said on the command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;
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
    /// Where to listen: an IP address and a port, `*` for all addresses, port 0 for a free one [default: 127.0.0.1:7777, with
    /// --proxy *:0]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<Endpoint>,

    #[command(flatten)]
    pub(crate) proxy: Proxy,

    /// Serve with so many threads, which share limits and clients; 0 is one for each core.
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub(crate) workers: usize,

    /// Have at most so many connections open at once; other clients wait in the kernel's queue.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_connections: Option<usize>,

    /// Have at most so many connections of one address (IPv6: one /64) open at once; others are closed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_per_source: Option<u32>,

    /// Let in so many new connections a second; other clients wait in the kernel's queue.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) rate: Option<u32>,

    /// End connections on which nothing happens for so long.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) idle_timeout: Option<Duration>,

    /// How long connections may take to end after SIGTERM or SIGINT; a second signal ends them at once.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    pub(crate) drain_timeout: Duration,

    /// Print what was counted, a line each second and one at the end.
    #[arg(long)]
    pub(crate) stats: bool,

    /// Log a line for each connection, and for each that is refused, on standard error.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// The proxy that listens.
#[derive(Args, Debug)]
pub(crate) struct Proxy {
    /// Have a SOCKS5 proxy listen, and let its clients in: `socks5://USER:PASSWORD@HOST:PORT`. The password of a user can also
    /// come from the environment variable `VESTIBULE_PROXY_PASSWORD`; on the command line everybody on this machine can see it.
    // A text, so that no complaint repeats the password.
    #[arg(long = "proxy", value_name = "URL")]
    pub(crate) url: Option<String>,

    /// A file whose first line is the password for the proxy.
    #[arg(long = "proxy-password-file", value_name = "FILE", requires = "url")]
    pub(crate) password_file: Option<PathBuf>,
}

/// A time such as `500ms`, `10s`, `5m`, `1h`; a number alone is seconds.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let number: f64 = digits.parse().map_err(|_| "a time is a number and ms, s, m or h".to_owned())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(format!("no unit of time is called `{unit}`: ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| "no such time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::time;
    use std::time::Duration;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, milliseconds) in
            [("500ms", 500), ("10s", 10_000), ("10", 10_000), ("1.5m", 90_000), ("1h", 3_600_000)]
        {
            assert_eq!(time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1s", "1d", "1 s", "inf", "1e400", "ten"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
