//! What is measured.

/// What a short connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// The server tells sixteen bytes and ends.
    Fortune,
    /// A message goes there and back, and the client resets.
    Echo,
    /// A request of HTTP, an answer, and the server's end.
    Page,
}

impl Exchange {
    /// The mode in which it is measured alone.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fortune => "fortune",
            Self::Echo => "churn-echo",
            Self::Page => "http",
        }
    }

    /// The server's mode.
    pub(crate) fn served_by(self) -> &'static str {
        match self {
            Self::Fortune => "fortune",
            Self::Echo => "echo",
            Self::Page => "http",
        }
    }
}

/// How a server is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Churn(Exchange),
    Echo {
        connections: usize,
    },
    Stream,
    Mixed,
    Idle,
    OpenFortune {
        rate: u64,
    },
    OpenEcho {
        rate: u64,
        connections: usize,
    },
    IdleCost,
    SystemCalls,
    Allocations,
    /// Several workers; without a rate as fast as they can.
    Workers {
        workers: usize,
        exchange: Exchange,
        rate: Option<u64>,
    },
}

/// How often a mode is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repetition {
    EveryRound,
    /// It hardly varies.
    ThreeRounds,
    Once,
}

/// One way to measure.
#[derive(Debug, PartialEq)]
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    /// How many, unless the time is over before.
    pub(crate) operations: u64,
    pub(crate) repetition: Repetition,
}

const fn mode(name: &'static str, load: Load, operations: u64) -> Mode {
    let repetition = match load {
        Load::Idle => Repetition::ThreeRounds,
        Load::SystemCalls | Load::Allocations => Repetition::Once,
        _ => Repetition::EveryRound,
    };
    Mode { name, load, operations, repetition }
}

const fn workers(name: &'static str, workers: usize, exchange: Exchange, rate: Option<u64>) -> Mode {
    mode(name, Load::Workers { workers, exchange, rate }, 100_000)
}

const LOW: Option<u64> = Some(2000);

/// All modes, in the order of the report.
pub(crate) const MODES: [Mode; 23] = [
    mode("fortune", Load::Churn(Exchange::Fortune), 100_000),
    mode("churn-echo", Load::Churn(Exchange::Echo), 100_000),
    mode("http", Load::Churn(Exchange::Page), 100_000),
    mode("echo-1", Load::Echo { connections: 1 }, 50_000),
    mode("echo-64", Load::Echo { connections: 64 }, 400_000),
    mode("echo-1000", Load::Echo { connections: 1000 }, 400_000),
    mode("echo-10000", Load::Echo { connections: 10_000 }, 400_000),
    mode("stream", Load::Stream, 62_500), // chunks: 4 GB
    mode("mixed", Load::Mixed, 200_000),
    mode("idle", Load::Idle, 10_000),
    mode("open-fortune", Load::OpenFortune { rate: 5000 }, 15_000),
    mode("open-echo", Load::OpenEcho { rate: 20_000, connections: 64 }, 60_000),
    mode("idle-cost", Load::IdleCost, 100_000),
    mode("syscalls", Load::SystemCalls, 5000),
    mode("allocations", Load::Allocations, 10_000),
    workers("workers-fortune-full-1", 1, Exchange::Fortune, None),
    workers("workers-fortune-full-2", 2, Exchange::Fortune, None),
    workers("workers-fortune-low-1", 1, Exchange::Fortune, LOW),
    workers("workers-fortune-low-2", 2, Exchange::Fortune, LOW),
    workers("workers-echo-full-1", 1, Exchange::Echo, None),
    workers("workers-echo-full-2", 2, Exchange::Echo, None),
    workers("workers-echo-low-1", 1, Exchange::Echo, LOW),
    workers("workers-echo-low-2", 2, Exchange::Echo, LOW),
];

impl Mode {
    /// The mode of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        MODES.iter().find(|mode| mode.name == name)
    }

    /// Whether a word of the command line means it: its name, or the beginning of it up to a hyphen.
    pub(crate) fn is_meant(&self, word: &str) -> bool {
        self.name.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    pub(crate) fn rounds(&self, rounds: usize) -> usize {
        match self.repetition {
            Repetition::EveryRound => rounds,
            Repetition::ThreeRounds => rounds.min(3),
            Repetition::Once => rounds.min(1),
        }
    }

    /// What happens in it, in a sentence.
    pub(crate) fn description(&self) -> &'static str {
        match self.load {
            Load::Churn(Exchange::Fortune) => {
                "Connect, read 16 bytes and the end; 32 connections at once, the client re-uses its sockets."
            }
            Load::Churn(Exchange::Echo) => {
                "Connect, 64 bytes there and back, reset; 32 connections at once, the client re-uses its sockets."
            }
            Load::Churn(Exchange::Page) => {
                "Connect, ask for a page with HTTP/1.1 and `Connection: close`, read 16 bytes of it and the end; 32 at \
                 once, the client re-uses its sockets."
            }
            Load::Echo { .. } => {
                "As many lasting connections as the name says, 64 bytes there and back on all of them at once."
            }
            Load::Stream => "Four connections, 64 KiB chunks echoed, two of them on the way on each.",
            Load::Mixed => {
                "2,000 idle connections, 64 bytes there and back on 50 others, and one connection in ten operations \
                 that is made, echoes once and is closed. The latency is of the 50."
            }
            Load::Idle => "Resident memory of an idle connection that has echoed once, at 10,000.",
            Load::OpenFortune { .. } | Load::OpenEcho { .. } => {
                "An open loop: operations are due at fixed times, and their latency counts from then."
            }
            Load::IdleCost => {
                "CPU time of an echo on 16 connections beside 10,000 idle ones, in relation to that with none."
            }
            Load::SystemCalls | Load::Allocations | Load::Workers { .. } => "",
        }
    }

    pub(crate) fn has_workers(&self) -> bool {
        matches!(self.load, Load::Workers { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_a_mode_or_a_group() {
        let meant = |word: &str| {
            MODES.iter().filter(|mode| mode.is_meant(word)).map(|mode| mode.name).collect::<Vec<_>>()
        };
        assert_eq!(meant("fortune"), ["fortune"]);
        assert_eq!(meant("echo"), ["echo-1", "echo-64", "echo-1000", "echo-10000"]);
        assert_eq!(meant("workers").len(), 8);
        assert!(meant("ech").is_empty());
    }
}
