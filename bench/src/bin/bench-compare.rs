//! `bench-compare [ROUNDS]`: server CPU for an operation, and memory for an idle connection, side by side in one run.
//!
//! Servers run on core 0, the load on core 1; rounds are interleaved, and medians are printed. Wall time is not shown:
//! on a shared machine only CPU time holds.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVERS: [&str; 2] = ["vestibule-bench-server", "peer-tokio"];
const IN_FLIGHT: usize = 16;
const IDLE: usize = 8_000;

/// A load: its name, the server's mode and buffer, how many operations, and what does them.
struct Load {
    name: &'static str,
    mode: &'static str,
    operations: usize,
    run: fn(u16, usize) -> Outcome<()>,
}

const LOADS: [Load; 3] = [
    Load { name: "fortune", mode: "fortune", operations: 50_000, run: fortunes },
    Load { name: "echo 64", mode: "echo", operations: 200_000, run: |port, number| echoes(port, number, 64) },
    Load {
        name: "echo 1000",
        mode: "echo",
        operations: 200_000,
        run: |port, number| echoes(port, number, 1000),
    },
];

fn main() -> Outcome<()> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(5), |word| word.parse())?;
    let pid = std::process::id().to_string();
    Command::new("taskset").args(["-pc", "1", &pid]).stdout(Stdio::null()).status()?;
    let mut output = std::io::stdout();
    for load in &LOADS {
        let mut costs: [Vec<f64>; 2] = Default::default();
        for _ in 0..rounds {
            for (server, costs) in SERVERS.iter().zip(&mut costs) {
                costs.push(measure(server, load)?);
            }
        }
        let [ours, theirs] = costs.map(median);
        let (name, ratio) = (load.name, ours / theirs);
        writeln!(output, "{name:10} vestibule {ours:7.3} us, tokio {theirs:7.3} us, ratio {ratio:.3}")?;
    }
    for server in SERVERS {
        writeln!(output, "{server:22} {} bytes an idle connection (resident)", idle(server)?)?;
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A running server, ended when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(name: &str, mode: &str) -> Outcome<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0")?;
        let port = free.local_addr()?.port();
        drop(free);
        let program: PathBuf = std::env::current_exe()?.with_file_name(name);
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program).args([mode, &port.to_string(), "4096"]);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim() == "ready" {
            Ok(Self { child, port })
        } else {
            Err(format!("{name} is not ready").into())
        }
    }

    /// CPU time of the process so far, in nanoseconds.
    fn cpu(&self) -> Outcome<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.child.id()))?;
        Ok(text.split_whitespace().next().ok_or("schedstat is empty")?.parse()?)
    }

    /// Resident memory, in bytes.
    fn memory(&self) -> Outcome<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages: u64 = text.split_whitespace().nth(1).ok_or("statm is short")?.parse()?;
        Ok(pages * 4096)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Microseconds of CPU for an operation.
#[allow(clippy::cast_precision_loss, reason = "a few parts in a quadrillion do not matter here")]
fn measure(name: &str, load: &Load) -> Outcome<f64> {
    let server = Server::start(name, load.mode)?;
    (load.run)(server.port, load.operations / 20)?; // warm up
    let before = server.cpu()?;
    (load.run)(server.port, load.operations)?;
    Ok((server.cpu()? - before) as f64 / 1e3 / load.operations as f64)
}

fn fortunes(port: u16, number: usize) -> Outcome<()> {
    let mut text = Vec::new();
    for _ in 0..number / IN_FLIGHT {
        let streams: Result<Vec<_>, _> =
            (0..IN_FLIGHT).map(|_| TcpStream::connect(("127.0.0.1", port))).collect();
        for mut stream in streams? {
            text.clear();
            stream.read_to_end(&mut text)?;
            if text != b"Fortune cookie!\n" {
                return Err("a wrong fortune".into());
            }
        }
    }
    Ok(())
}

fn echoes(port: u16, number: usize, connections: usize) -> Outcome<()> {
    let streams: Result<Vec<_>, _> =
        (0..connections).map(|_| TcpStream::connect(("127.0.0.1", port))).collect();
    let mut streams = streams?;
    let (sent, mut received) = ([7; 64], [0; 64]);
    for _ in 0..number / connections {
        for stream in &mut streams {
            stream.write_all(&sent)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut received)?;
        }
    }
    Ok(())
}

fn idle(name: &str) -> Outcome<u64> {
    let server = Server::start(name, "echo")?;
    let warm =
        (0..64).map(|_| TcpStream::connect(("127.0.0.1", server.port))).collect::<Result<Vec<_>, _>>()?;
    echoes(server.port, 64, 64)?;
    drop(warm);
    let before = server.memory()?;
    let mut streams =
        (0..IDLE).map(|_| TcpStream::connect(("127.0.0.1", server.port))).collect::<Result<Vec<_>, _>>()?;
    // Every connection echoes once, so that all were accepted.
    let mut byte = [1];
    for stream in &mut streams {
        stream.write_all(&byte)?;
        stream.read_exact(&mut byte)?;
    }
    Ok((server.memory()? - before) / IDLE as u64)
}
