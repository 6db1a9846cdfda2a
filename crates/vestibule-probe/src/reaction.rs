//! What a slot of a server does.

use crate::arguments::read;
use crate::failure::Failure;
use crate::server::{self, Server};
use std::time::Duration;
use vestibule::TcpServer;

/// The signal of a server that a slot is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Occasion {
    New,
    Pending,
    AcceptError,
}

impl Occasion {
    pub(crate) fn read(word: &str) -> Result<Self, Failure> {
        match word {
            "new" => Ok(Self::New),
            "pending" => Ok(Self::Pending),
            "accept-error" => Ok(Self::AcceptError),
            _ => Err(Failure::Malformed(format!("`{word}` is no signal of a server"))),
        }
    }
}

/// One of the things that a slot does.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    Nothing,
    One,
    Take,
    Reply,
    Close,
    Pause,
    Resume,
    Drop,
    Relisten,
    Wait,
    Max(usize),
}

impl Action {
    pub(crate) fn read(word: &str) -> Result<Self, Failure> {
        Ok(match word {
            "none" => Self::Nothing,
            "one" => Self::One,
            "take" => Self::Take,
            "reply" => Self::Reply,
            "close" => Self::Close,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "drop" => Self::Drop,
            "relisten" => Self::Relisten,
            "wait" => Self::Wait,
            _ => match word.strip_prefix("max=") {
                Some(number) => Self::Max(read(number, "a number that fits")?),
                None => return Err(Failure::Malformed(format!("`{word}` is no action"))),
            },
        })
    }

    /// Does it, in a slot of the server.
    pub(crate) fn perform(self, this: &Server, server: &TcpServer) {
        match self {
            Self::Nothing => {}
            Self::One => drop(this.take_in_slot(server)),
            Self::Take => while this.take_in_slot(server).is_some() {},
            Self::Reply => reply_to_all(this, server),
            Self::Close => server.close(),
            Self::Pause => server.pause_accepting(),
            Self::Resume => server.resume_accepting(),
            // That it is gone already was looked at before.
            Self::Drop => drop(this.destroy()),
            Self::Relisten => relisten(server),
            Self::Wait => {
                let ended = server::wait(server, Some(Duration::ZERO));
                let word = ended.split(' ').next_back().unwrap_or_default();
                this.log.push(format!("wait:{word}"));
            }
            Self::Max(limit) => server.set_max_pending_connections(limit),
        }
    }
}

/// All are taken before the first gets its reply.
fn reply_to_all(this: &Server, server: &TcpServer) {
    let mut taken = Vec::new();
    while let Some(name) = this.take_in_slot(server) {
        taken.push(name);
    }
    for name in taken {
        this.reply(&name);
    }
}

fn relisten(server: &TcpServer) {
    let (address, port) = (server.server_address(), server.server_port());
    server.close();
    // The state that follows in the scenario shows whether it succeeded.
    drop(server.listen(address, port));
}
