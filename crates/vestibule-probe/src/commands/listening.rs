//! Servers: making them, listening, and their settings.

use super::Table;
use crate::arguments::Arguments;
use crate::failure::{Answer, done};
use crate::probe::Probe;
use crate::server::Server;
use crate::spelling;
use vestibule::{Error, TcpServer};

pub(super) const COMMANDS: Table = &[
    ("server", server),
    ("listen", listen),
    ("close", close),
    ("drop", destroy),
    ("state", state),
    ("max", max),
    ("backlog", backlog),
    ("pause", pause),
    ("resume", resume),
];

fn server(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let name = arguments.word(0)?;
    let server = Server::new(&probe.event_loop, name, &probe.connections);
    probe.servers.insert(name.to_owned(), server);
    done()
}

fn listen(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let server = probe.server(arguments.word(0)?)?;
    let address = spelling::read_address(arguments.word(1)?)?;
    let port = probe.port(arguments.word(2)?)?;
    let result = server.with(|server| server.listen(address, port))?;
    Ok(outcome(server, result.as_ref().err()))
}

/// Tells how an attempt to listen went.
pub(super) fn outcome(server: &Server, error: Option<&Error>) -> String {
    match error {
        None => {
            server.last_port();
            "ok".to_owned()
        }
        Some(error) if error.is_already_listening() => "error already".to_owned(),
        Some(error) => {
            let name = spelling::error(error.kind());
            format!("error {name} \"{}\"", error.error_string())
        }
    }
}

/// Calls a function of a server that has nothing to tell.
fn call(probe: &Probe, arguments: &Arguments<'_>, call: impl FnOnce(&TcpServer)) -> Answer {
    probe.server(arguments.word(0)?)?.with(call)?;
    done()
}

fn close(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    call(probe, arguments, TcpServer::close)
}

fn destroy(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    probe.server(arguments.word(0)?)?.destroy()?;
    done()
}

fn state(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    probe.server(arguments.word(0)?)?.with(|server| {
        format!(
            "listening={} address={} port={} descriptor={} error={} text=\"{}\" max={} pending={}",
            u8::from(server.is_listening()),
            spelling::address(server.server_address()),
            if server.server_port() > 0 { "port" } else { "0" },
            if server.socket_descriptor().is_some() { "some" } else { "none" },
            spelling::error(server.server_error()),
            server.error_string(),
            server.max_pending_connections(),
            u8::from(server.has_pending_connections()),
        )
    })
}

fn max(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let limit: i64 = arguments.number(1)?;
    // The reference takes negative numbers; none are accepted with them, as with 0 here.
    let limit = usize::try_from(limit).unwrap_or(0);
    call(probe, arguments, |server| {
        server.set_max_pending_connections(limit);
    })
}

fn backlog(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let size = arguments.number(1)?;
    call(probe, arguments, |server| server.set_listen_backlog_size(size))
}

fn pause(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    call(probe, arguments, TcpServer::pause_accepting)
}

fn resume(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    call(probe, arguments, TcpServer::resume_accepting)
}
