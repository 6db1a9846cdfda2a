use crate::driver::Token;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How many bytes are under way in one direction before the sender must wait.
pub(super) const WINDOW: usize = 64 << 10;

/// Both ends of one connection.
#[derive(Debug)]
pub(super) struct Pipe {
    ends: [End; 2],
    /// When the client connected.
    pub(super) born: Duration,
    /// How long what is sent takes to the other end.
    pub(super) latency: Duration,
}

/// One end of a connection.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub(super) struct End {
    /// What has come here and was not received.
    pub(super) incoming: VecDeque<u8>,
    /// How many bytes are on their way here.
    pub(super) under_way: usize,
    /// When the last of what is on its way here comes.
    pub(super) last_arrival: Duration,
    /// Whether the other end's end has come here.
    pub(super) finished: bool,
    /// Whether a reset has come here.
    pub(super) broken: bool,
    /// Whether this end sends nothing more.
    pub(super) ended: bool,
    /// Whether this end was left.
    pub(super) gone: bool,
    pub(super) address: SocketAddr,
    /// The loop that has this end, and what it is called there.
    pub(super) watcher: Option<Watcher>,
}

/// Whom to tell that something has happened.
pub(super) type Watcher = (usize, Token);

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

/// Something on its way to an end.
#[derive(Debug)]
pub(super) enum Packet {
    Bytes(Vec<u8>),
    End,
    /// Of a side that was closed with unread bytes, it destroys what the other has not received.
    Reset {
        destroys: bool,
    },
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

impl Pipe {
    pub(super) fn new(server: SocketAddr, client: SocketAddr, born: Duration, latency: Duration) -> Self {
        Self { ends: [End::new(server), End::new(client)], born, latency }
    }

    pub(super) fn near(&self, side: Side) -> &End {
        let [server, client] = &self.ends;
        if side == Side::Server { server } else { client }
    }

    pub(super) fn near_mut(&mut self, side: Side) -> &mut End {
        let [server, client] = &mut self.ends;
        if side == Side::Server { server } else { client }
    }

    pub(super) fn far(&self, side: Side) -> &End {
        self.near(side.other())
    }

    pub(super) fn has_bytes(&self, side: Side) -> bool {
        !self.near(side).incoming.is_empty()
    }

    /// Whether everything was received and nothing more comes.
    pub(super) fn has_finished(&self, side: Side) -> bool {
        self.near(side).finished && !self.has_bytes(side)
    }

    /// How many bytes can be sent from this side now.
    pub(super) fn room(&self, side: Side) -> usize {
        let far = self.far(side);
        WINDOW.saturating_sub(far.incoming.len() + far.under_way)
    }

    /// Something has come to an end of the connection.
    pub(super) fn arrive(&mut self, side: Side, packet: Packet) {
        let end = self.near_mut(side);
        match packet {
            Packet::Bytes(bytes) => {
                end.under_way = end.under_way.saturating_sub(bytes.len());
                if !end.gone && !end.broken {
                    end.incoming.extend(bytes);
                }
            }
            Packet::End => end.finished = true,
            Packet::Reset { destroys } => {
                end.broken = true;
                if destroys {
                    end.incoming.clear();
                }
            }
        }
    }

    pub(super) fn was_left(&self) -> bool {
        self.ends.iter().all(|end| end.gone)
    }
}

impl End {
    fn new(address: SocketAddr) -> Self {
        Self {
            incoming: VecDeque::new(),
            under_way: 0,
            last_arrival: Duration::ZERO,
            finished: false,
            broken: false,
            ended: false,
            gone: false,
            address,
            watcher: None,
        }
    }
}
