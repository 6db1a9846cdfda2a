//! What is done to each server.

use crate::Outcome;
use crate::arguments::Size;
use crate::crowd::Crowd;
use crate::process::Process;
use crate::servers::Subject;
use crate::strace;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// Nobody has been served for so long: the server has no descriptor left.
const QUIET: Duration = Duration::from_millis(500);
const SETTLING_LIMIT: Duration = Duration::from_secs(30);
/// How long CPU time and system calls are counted.
const OBSERVATION: Duration = Duration::from_secs(3);
/// How long after a release another client must be served.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);
/// The longest pause before a release: as long as any server here sleeps after an error.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long after the release of everything all clients must be served.
const RECOVERY_LIMIT: Duration = Duration::from_secs(20);

/// What was measured of one server.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// How many clients were served before anything was released.
    pub(crate) served_at_once: usize,
    /// Of one core, while starved.
    pub(crate) cpu_percent: Option<f64>,
    /// What it logged in the same time.
    pub(crate) log_lines_starved: Option<u64>,
    /// Calls of accept4 a second, while starved and traced.
    pub(crate) accept_rate: Option<f64>,
    /// From each release to the service of another client, the shortest first.
    pub(crate) waits: Vec<Duration>,
    /// Releases after which nobody was served in time.
    pub(crate) missed: usize,
    /// Clients that were refused, reset or closed without an answer.
    pub(crate) cut_off: usize,
    /// Clients that still had no answer when time was up.
    pub(crate) unserved: usize,
    /// From the first client to the end.
    pub(crate) log_lines: u64,
    /// When the server ended by itself.
    pub(crate) ended: Option<ExitStatus>,
}

/// Starves one server, and lets it recover.
pub(crate) fn run(subject: &Subject, program: &Path, size: Size) -> Outcome<Findings> {
    let mut server = Process::start(program, subject.arguments, size.descriptors)?;
    greet(&server, subject)?;
    let lines_at_start = server.lines();

    let mut crowd = Crowd::gather(server.address, size.clients, subject.conversation)?;
    if !crowd.settle(QUIET, SETTLING_LIMIT)? || crowd.census().served == size.clients {
        return Err("it does not run out of descriptors; are there more clients than those?".into());
    }
    let mut findings = Findings { served_at_once: crowd.census().served, ..Findings::default() };
    findings.ended = server.exit_status()?;
    if findings.ended.is_none() {
        observe(&mut server, &mut crowd, size, &mut findings)?;
    }
    let census = crowd.census();
    (findings.cut_off, findings.unserved) = (census.lost, census.hopeful());
    findings.log_lines = server.end()? - lines_at_start;
    Ok(findings)
}

/// One client is served and leaves, so that what a server does and logs at its first client is over.
fn greet(server: &Process, subject: &Subject) -> Outcome<()> {
    let mut first = Crowd::gather(server.address, 1, subject.conversation)?;
    first.settle(QUIET, SETTLING_LIMIT)?;
    if first.census().served == 1 { Ok(()) } else { Err("it does not serve its first client".into()) }
}

fn observe(server: &mut Process, crowd: &mut Crowd, size: Size, findings: &mut Findings) -> Outcome<()> {
    rest(server, findings)?;
    for number in 0..size.releases {
        if crowd.census().hopeful() == 0 || server.exit_status()?.is_some() {
            break;
        }
        std::thread::sleep(pause_before(number));
        match crowd.release_one(RELEASE_LIMIT)? {
            Some(wait) => findings.waits.push(wait),
            None => findings.missed += 1,
        }
    }
    findings.waits.sort();
    // After the releases, so that a tracer cannot have changed anything about them.
    if crowd.census().hopeful() > 0 && server.exit_status()?.is_none() {
        findings.accept_rate = strace::accept_rate(server.pid(), OBSERVATION)?;
    }
    crowd.release_all(RECOVERY_LIMIT)?;
    findings.ended = server.exit_status()?;
    Ok(())
}

/// Nothing happens; what does the server do?
fn rest(server: &Process, findings: &mut Findings) -> Outcome<()> {
    let (begun, cpu_before, lines_before) = (Instant::now(), server.cpu_time()?, server.lines());
    std::thread::sleep(OBSERVATION);
    let spent = server.cpu_time()?.saturating_sub(cpu_before);
    findings.log_lines_starved = Some(server.lines() - lines_before);
    findings.cpu_percent = Some(100.0 * spent.as_secs_f64() / begun.elapsed().as_secs_f64());
    Ok(())
}

/// Without pauses each release would meet a server at the beginning of its sleep, which the last service began. These
/// are spread evenly, whatever their number.
fn pause_before(number: usize) -> Duration {
    const GOLDEN_RATIO: f64 = 0.618_033_988_75;
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    LONGEST_PAUSE.mul_f64((f64::from(number) * GOLDEN_RATIO).fract())
}
