//! Connections of servers: waiting for them and taking them.

use super::Table;
use crate::arguments::Arguments;
use crate::failure::Answer;
use crate::probe::Probe;
use crate::server;
use vestibule::TcpServer;

pub(super) const COMMANDS: Table = &[("wait", wait), ("has", has), ("take", take), ("drain", drain)];

fn wait(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let limit = arguments.limit(1)?;
    let server = probe.server(arguments.word(0)?)?;
    server.with(|server| server::wait(server, limit).to_owned())
}

fn has(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let server = probe.server(arguments.word(0)?)?;
    Ok(server.with(TcpServer::has_pending_connections)?.to_string())
}

fn take(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let this = probe.server(arguments.word(0)?)?;
    let name = arguments.word(1)?;
    let taken = this.with(|server| this.take(server, name))?;
    Ok(if taken { "ok" } else { "none" }.to_owned())
}

fn drain(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let this = probe.server(arguments.word(0)?)?;
    let name = arguments.word(1)?;
    this.with(|server| {
        let mut number = 0;
        while this.take(server, &format!("{name}.{}", number + 1)) {
            number += 1;
        }
        number.to_string()
    })
}
