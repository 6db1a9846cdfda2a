//! Connections that were taken from servers.

use super::Table;
use crate::arguments::Arguments;
use crate::failure::{Answer, Failure, done};
use crate::probe::Probe;
use crate::spelling;
use std::time::Duration;
use vestibule::TcpSocket;

pub(super) const COMMANDS: Table = &[
    ("write", write),
    ("writen", write_many),
    ("flush", flush),
    ("read", read),
    ("peek", peek),
    ("disconnect", disconnect),
    ("abort", abort),
    ("free", free),
    ("parent", parent),
    ("cstate", state),
    ("cevents", events),
    ("rbuf", read_buffer),
    ("wait-read", wait_read),
    ("wait-gone", wait_gone),
    ("wait-sent", wait_sent),
];

/// Calls a function of a connection and prints what it tells.
fn ask<T: ToString>(probe: &Probe, arguments: &Arguments<'_>, call: impl FnOnce(&TcpSocket) -> T) -> Answer {
    Ok(probe.with_connection(arguments.word(0)?, call)?.to_string())
}

/// Calls a function of a connection that has nothing to tell.
fn call(probe: &Probe, arguments: &Arguments<'_>, call: impl FnOnce(&TcpSocket)) -> Answer {
    probe.with_connection(arguments.word(0)?, call)?;
    done()
}

/// Writes, and tells -1 when that was refused.
fn write_bytes(probe: &Probe, arguments: &Arguments<'_>, bytes: &[u8]) -> Answer {
    let taken = probe.with_connection(arguments.word(0)?, |socket| socket.write(bytes))?;
    if taken == 0 && !bytes.is_empty() {
        return Ok("-1".to_owned());
    }
    Ok(taken.to_string())
}

fn write(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    write_bytes(probe, arguments, arguments.word(1)?.as_bytes())
}

fn write_many(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    write_bytes(probe, arguments, &vec![b'y'; arguments.number(1)?])
}

fn flush(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    ask(probe, arguments, TcpSocket::flush)
}

fn read(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    ask(probe, arguments, |socket| spelling::data(&socket.read_all()))
}

fn peek(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    ask(probe, arguments, |socket| spelling::data(&socket.peek(socket.bytes_available())))
}

fn disconnect(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    call(probe, arguments, TcpSocket::disconnect_from_host)
}

fn abort(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    call(probe, arguments, TcpSocket::abort)
}

fn free(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let socket = probe.connections.give_up(arguments.word(0)?);
    drop(socket.ok_or(Failure::Gone)?);
    done()
}

fn parent(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let server = probe.server(arguments.word(1)?)?;
    server.with(|server| {
        let socket = probe.connections.give_up(arguments.word(0)?);
        socket.ok_or(Failure::Gone)?.set_parent(server);
        done()
    })?
}

fn state(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    ask(probe, arguments, |socket| {
        format!(
            "state={} available={} towrite={} peer={} local={} error={}",
            spelling::state(socket.state()),
            socket.bytes_available(),
            socket.bytes_to_write(),
            spelling::address(socket.peer_address()),
            spelling::address(socket.local_address()),
            spelling::error(socket.error()),
        )
    })
}

fn events(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let log = probe.connections.log(arguments.word(0)?);
    Ok(log.ok_or(Failure::Gone)?.take_text())
}

fn read_buffer(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let size = arguments.number(1)?;
    call(probe, arguments, |socket| socket.set_read_buffer_size(size))
}

/// One of the blocking calls; what it cannot wait for is not true either.
fn wait(
    probe: &Probe,
    arguments: &Arguments<'_>,
    wait: impl FnOnce(&TcpSocket, Option<Duration>) -> vestibule::Result<bool>,
) -> Answer {
    let limit = arguments.limit(1)?;
    ask(probe, arguments, |socket| wait(socket, limit).unwrap_or(false))
}

fn wait_read(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    wait(probe, arguments, TcpSocket::wait_for_ready_read)
}

fn wait_gone(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    wait(probe, arguments, TcpSocket::wait_for_disconnected)
}

fn wait_sent(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    wait(probe, arguments, TcpSocket::wait_for_bytes_written)
}
