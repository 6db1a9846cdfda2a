//! `TcpSocket::connect_to_host` and a server that nobody here wrote: Python's asyncio. `.ci/run` runs these.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use support::{LIMIT, Log, until};
use vestibule::{EventLoop, SocketState, TcpSocket};

/// Answers lines: `shout TEXT` with the text in capitals, `give N` with N bytes, `take N` with a checksum of the N bytes
/// that follow, read slowly; `end` ends its side, `reset` resets.
const SERVER: &str = r"
import asyncio, socket, struct, sys, zlib

async def serve(reader, writer):
    while line := (await reader.readline()).decode().split():
        if line[0] == 'shout':
            writer.write(line[1].upper().encode())
        elif line[0] == 'give':
            writer.write(bytes(i % 251 for i in range(int(line[1]))))
        elif line[0] == 'take':
            left, crc = int(line[1]), 0
            while left:
                part = await reader.read(min(left, 50000))
                left -= len(part)
                crc = zlib.crc32(part, crc)
                await asyncio.sleep(0.001)
            writer.write(struct.pack('>I', crc))
        elif line[0] == 'end':
            writer.write_eof()
            break
        elif line[0] == 'reset':
            writer.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            break
        await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
";

struct Python {
    child: Child,
    port: u16,
}

impl Python {
    fn start() -> Self {
        let mut command = Command::new("python3");
        let started = command.args(["-c", SERVER]).stdout(Stdio::piped()).spawn();
        let mut child =
            started.unwrap_or_else(|error| panic!("python3 is not to be had: {error}; see .ci/run"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }

    fn connected(&self, event_loop: &EventLoop) -> TcpSocket {
        let socket = TcpSocket::new(event_loop);
        socket.connect_to_host("localhost", self.port).unwrap();
        until(event_loop, || socket.state() == SocketState::Connected);
        socket
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Python's `zlib.crc32`.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    };
    !bytes.iter().fold(!0, step)
}

#[test]
#[ignore = "needs python3; .ci/run installs it"]
fn a_question_is_answered_and_the_end_told() {
    let (python, event_loop, log) = (Python::start(), EventLoop::new().unwrap(), Log::default());
    let socket = python.connected(&event_loop);
    log.follow(&socket);
    socket.write(b"shout hello\nend\n");
    until(&event_loop, || socket.state() == SocketState::Unconnected && log.len() >= 7);
    assert_eq!(socket.read_all(), b"HELLO");
    let told = log.take();
    assert!(told.starts_with("bytes ready finished RemoteHostClosed closing unconnected gone"), "{told}");
}

#[test]
#[ignore = "needs python3; .ci/run installs it"]
fn many_bytes_come() {
    let (python, event_loop) = (Python::start(), EventLoop::new().unwrap());
    let socket = python.connected(&event_loop);
    let (count, right) = (Rc::new(Cell::new(0_usize)), Rc::new(Cell::new(true)));
    let (arrived, matching) = (Rc::clone(&count), Rc::clone(&right));
    socket.ready_read().connect(move |socket| {
        let from = arrived.get();
        let length = socket.read_with(|bytes| {
            let expected = (from..).map(|position| u8::try_from(position % 251).unwrap());
            matching.set(matching.get() && bytes.iter().copied().eq(expected.take(bytes.len())));
            bytes.len()
        });
        arrived.set(from + length);
    });
    socket.write(b"give 5000000\n");
    until(&event_loop, || count.get() == 5_000_000);
    assert!(right.get());
}

#[test]
#[ignore = "needs python3; .ci/run installs it"]
fn many_bytes_go_to_a_slow_reader() {
    let (python, event_loop) = (Python::start(), EventLoop::new().unwrap());
    let socket = python.connected(&event_loop);
    let bytes: Vec<u8> =
        (0..4_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    socket.write(format!("take {}\n", bytes.len()).as_bytes());
    assert_eq!(socket.write(&bytes), bytes.len());
    until(&event_loop, || socket.bytes_available() == 4);
    assert_eq!(socket.read_all(), crc32(&bytes).to_be_bytes());
}

#[test]
#[ignore = "needs python3; .ci/run installs it"]
fn a_reset_is_told() {
    let (python, event_loop, log) = (Python::start(), EventLoop::new().unwrap(), Log::default());
    let socket = python.connected(&event_loop);
    log.follow(&socket);
    socket.write(b"reset\n");
    until(&event_loop, || socket.state() == SocketState::Unconnected);
    let told = log.take();
    assert!(told.contains("RemoteHostClosed closing unconnected finished gone"), "{told}");
}

#[test]
#[ignore = "needs python3; .ci/run installs it"]
fn a_socket_without_a_loop_talks_too() {
    let python = Python::start();
    let socket = TcpSocket::standalone();
    socket.connect_to_host("localhost", python.port).unwrap();
    assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
    let mut stream = socket.blocking(Some(LIMIT));
    stream.write_all(b"shout quietly\nend\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "QUIETLY");
}
