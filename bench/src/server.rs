//! The servers that are measured.

use crate::mode::{Exchange, Load, Mode};
use std::path::{Path, PathBuf};

/// In which modes a server is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// All with one worker.
    Single,
    /// All, and what an idle connection costs a busy one.
    SingleAndIdleCost,
    /// All, and those with several workers.
    Several,
    /// All modes.
    Everything,
    OnlyWorkers,
    OnlyStream,
    /// What speaks HTTP.
    OnlyHttp,
    /// What a spin before sleeping is for: few messages, whose latency counts.
    OnlyLatency,
}

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// The name of its program; cargo makes ours, bench/peers/build those of the peers.
    program: &'static str,
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// The buffer it has when it streams.
    pub(crate) stream_buffer: usize,
    scope: Scope,
}

/// The name of ours.
pub(crate) const OURS: &str = "vestibule";
/// The name of ours that looks for 50 µs before it sleeps.
pub(crate) const SPINNING: &str = "vestibule-spin";
const OUR_PROGRAM: &str = "vestibule-bench-server";

/// As users write it, and tuned.
const USUAL: usize = 65_536;
const TUNED: usize = 262_144;

const fn peer(name: &'static str, scope: Scope) -> Server {
    Server { name, program: name, environment: &[], stream_buffer: USUAL, scope }
}

/// All servers, in the order of the report.
pub(crate) const SERVERS: [Server; 22] = [
    Server {
        name: OURS,
        program: OUR_PROGRAM,
        environment: &[],
        stream_buffer: TUNED,
        scope: Scope::Everything,
    },
    Server {
        name: "vestibule-reuseport",
        program: OUR_PROGRAM,
        environment: &[("VESTIBULE_SHARING", "reuseport")],
        stream_buffer: TUNED,
        scope: Scope::OnlyWorkers,
    },
    Server {
        name: SPINNING,
        program: OUR_PROGRAM,
        environment: &[("VESTIBULE_SPIN", "50")],
        stream_buffer: TUNED,
        scope: Scope::OnlyLatency,
    },
    Server { stream_buffer: TUNED, ..peer("epoll-best", Scope::Single) },
    peer("epoll", Scope::SingleAndIdleCost),
    peer("mio", Scope::Single),
    peer("vestibule-tokio", Scope::Several),
    peer("tokio-current", Scope::SingleAndIdleCost),
    Server { program: "tokio-current", stream_buffer: TUNED, ..peer("tokio-tuned", Scope::OnlyStream) },
    peer("tokio-multi", Scope::Several),
    peer("vestibule-axum", Scope::OnlyHttp),
    peer("axum", Scope::OnlyHttp),
    peer("tokio-per-core", Scope::OnlyWorkers),
    peer("actix", Scope::Several),
    peer("ntex", Scope::Several),
    peer("compio", Scope::Single),
    peer("monoio", Scope::Single),
    peer("libuv", Scope::Single),
    peer("asio", Scope::Single),
    peer("qt", Scope::Single),
    peer("go", Scope::Single),
    peer("node", Scope::Single),
];

/// The folder of the repository.
pub(crate) fn repository() -> &'static Path {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().unwrap_or(bench)
}

impl Server {
    /// The server of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SERVERS.iter().find(|server| server.name == name)
    }

    /// Where its program is: ours is beside the driver.
    pub(crate) fn program(&self) -> PathBuf {
        let beside = std::env::current_exe().ok().map(|driver| driver.with_file_name(self.program));
        match beside {
            Some(program) if self.is_ours() => program,
            _ => repository().join("target/peers").join(self.program),
        }
    }

    /// What short connections of it are for.
    pub(crate) fn exchanges(&self) -> &'static [Exchange] {
        match self.scope {
            Scope::OnlyHttp => &[Exchange::Page],
            _ => &[Exchange::Fortune, Exchange::Echo],
        }
    }

    /// Whether connections of it last.
    pub(crate) fn echoes(&self) -> bool {
        self.exchanges().contains(&Exchange::Echo)
    }

    fn is_ours(&self) -> bool {
        self.program == OUR_PROGRAM
    }

    /// Whether it is measured in this mode.
    pub(crate) fn takes_part(&self, mode: &Mode) -> bool {
        match self.scope {
            // Allocations and system calls are counted of all.
            Scope::OnlyHttp => {
                matches!(mode.load, Load::Churn(Exchange::Page) | Load::SystemCalls | Load::Allocations)
            }
            _ if mode.load == Load::Churn(Exchange::Page) => false,
            Scope::Everything => true,
            Scope::Single => !mode.has_workers() && mode.load != Load::IdleCost,
            Scope::SingleAndIdleCost => !mode.has_workers(),
            Scope::Several => mode.load != Load::IdleCost,
            Scope::OnlyWorkers => mode.has_workers(),
            Scope::OnlyStream => mode.load == Load::Stream,
            Scope::OnlyLatency => {
                matches!(
                    mode.load,
                    Load::Echo { connections: 1 } | Load::OpenEcho { .. } | Load::OpenFortune { .. }
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tuned_one_only_streams() {
        let taking_part = |name: &str, mode: &str| Some(Server::named(name)?.takes_part(Mode::named(mode)?));
        assert_eq!(taking_part("tokio-tuned", "stream"), Some(true));
        assert_eq!(taking_part("tokio-tuned", "fortune"), Some(false));
        assert_eq!(taking_part("qt", "idle-cost"), Some(false));
        assert_eq!(taking_part(OURS, "idle-cost"), Some(true));
        assert_eq!(taking_part("actix", "workers-echo-low-2"), Some(true));
    }
}
