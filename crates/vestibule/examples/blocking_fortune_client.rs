//! Asks a fortune server for fortunes, in a thread that waits, without an event loop.
//!
//! It shows: a standalone socket; the blocking calls with their time limits; and errors that say what happened. The main
//! thread stays free for something else; here it prints what the other one finds.
//!
//! ```sh
//! cargo run --package vestibule --example fortune_server -- 127.0.0.1:7777
//! cargo run --package vestibule --example blocking_fortune_client -- localhost 7777 3
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod fortune;

use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use vestibule::TcpSocket;

/// No step may take longer.
const LIMIT: Duration = Duration::from_secs(5);

/// One fortune. A socket of its own is all that it needs.
fn ask(host: &str, port: u16) -> Result<String, Box<dyn Error + Send + Sync>> {
    let socket = TcpSocket::standalone();
    socket.connect_to_host(host, port)?;
    if !socket.wait_for_connected(Some(LIMIT))? {
        return Err(format!("{host}:{port} does not answer").into());
    }
    loop {
        let bytes = socket.peek(socket.bytes_available());
        if let Some(told) = fortune::read(&bytes) {
            return Ok(told?.0);
        }
        if !socket.wait_for_ready_read(Some(LIMIT))? {
            return Err(format!("{host}:{port} has not told a whole fortune").into());
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(host), Some(port)) = (arguments.next(), arguments.next().and_then(|port| port.parse().ok()))
    else {
        eprintln!("usage: blocking_fortune_client HOST PORT [NUMBER]");
        return ExitCode::from(2);
    };
    let number: u32 = arguments.next().and_then(|number| number.parse().ok()).unwrap_or(1);
    let (sender, answers) = mpsc::channel();
    let asking = thread::spawn(move || {
        for _ in 0..number {
            let answer = ask(&host, port);
            let failed = answer.is_err();
            if sender.send(answer).is_err() || failed {
                return;
            }
        }
    });
    for answer in answers {
        match answer {
            Ok(fortune) => println!("{fortune}"),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if asking.join().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
