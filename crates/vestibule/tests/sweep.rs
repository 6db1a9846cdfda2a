//! The simulation sweep: every error of accept(2) at every one of the first accepts, alone and in pairs, while servers
//! are paused, resumed, limited, drained and closed, descriptors run out, and connections come, are taken and end, in an
//! order drawn from the seed. About two million steps.
//!
//! After each step the invariants of `sweep/checks.rs` hold. A failing seed prints the line that replays it, and its
//! faults and steps.
//!
//! ```sh
//! cargo test -p vestibule --test sweep                                        # as CI runs it
//! cargo test -p vestibule --test sweep -- --nocapture                         # tells how many steps it took, and how fast
//! VESTIBULE_SWEEP=50 cargo test --release -p vestibule --test sweep           # 50 times as many seeds
//! VESTIBULE_SEED=4711 cargo test -p vestibule --test sweep NAME_OF_A_TEST     # one seed alone
//! ```
#![cfg(target_os = "linux")] // the numbers of errors are its own
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "sweep/chance.rs"]
mod chance;
#[path = "sweep/checks.rs"]
mod checks;
#[path = "sweep/faults.rs"]
mod faults;
#[path = "sweep/run.rs"]
mod run;
#[path = "sweep/step.rs"]
mod step;

use chance::Chance;
use faults::{CLASSES, ERRNOS, Fault, of_class};
use run::Run;
use std::cell::Cell;
use std::io::Write;
use std::ops::Range;
use std::time::Instant;
use vestibule::simulation::{SimulatedNetwork, explore};

/// Every one of so many first accepts fails.
const FIRST: u64 = 50;
/// Of them, those at which every pair of classes comes together.
const STRIDE: usize = 7;
/// How many pairs and storms are drawn.
const DRAWN: u64 = 2_000;

/// By how much the sweep is longer than in CI.
fn factor() -> u64 {
    std::env::var("VESTIBULE_SWEEP").map_or(1, |factor| factor.parse().unwrap())
}

/// Runs a test for so many seeds, and more of them in a longer sweep. [`explore`] does not tell the seed.
fn sweep(name: &str, seeds: u64, faults: impl Fn(u64) -> Vec<Fault>) {
    let seeds: Range<u64> = 0..seeds * factor();
    let only = std::env::var("VESTIBULE_SEED").ok().and_then(|seed| seed.parse().ok());
    let next = Cell::new(only.unwrap_or(seeds.start));
    let (begun, runs, steps) = (Instant::now(), Cell::new(0), Cell::new(0));
    explore(seeds, |network: &SimulatedNetwork| {
        let seed = next.replace(next.get() + 1);
        steps.set(steps.get() + Run::new(network, seed, faults(seed)).all());
        runs.set(runs.get() + 1);
    });
    let (took, runs, steps) = (begun.elapsed(), runs.get(), steps.get());
    let speed = steps * 1000 / u64::try_from(took.as_millis().max(1)).unwrap();
    let line = format!("{name}: {steps} steps in {runs} runs, {took:.1?}, {speed} steps a second\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[test]
fn every_error_at_every_accept_alone() {
    let errnos = ERRNOS.len() as u64;
    sweep("alone", errnos * FIRST, |seed| {
        let errno = ERRNOS[usize::try_from(seed % errnos).unwrap()].0;
        vec![Fault { nth: 1 + seed / errnos % FIRST, errno }]
    });
}

#[test]
fn every_pair_of_classes_at_neighbours_and_far_apart() {
    let strided: Vec<u64> = (1..=FIRST).step_by(STRIDE).collect();
    let apart = strided.iter().flat_map(|one| strided.iter().map(move |other| (*one, *other)));
    let neighbours = (1..FIRST).map(|one| (one, one + 1));
    let places: Vec<(u64, u64)> = apart.filter(|(one, other)| one < other).chain(neighbours).collect();
    let classes = CLASSES.len() as u64;
    sweep("pairs of classes", places.len() as u64 * classes * classes, |seed| {
        let place = usize::try_from(seed / (classes * classes)).unwrap() % places.len();
        let fault = |nth, class, seed| Fault { nth, errno: of_class(class, seed) };
        let (one, other) = places[place];
        vec![fault(one, seed % classes, seed), fault(other, seed / classes % classes, seed / 3)]
    });
}

#[test]
fn drawn_pairs_of_errors() {
    sweep("drawn pairs", DRAWN, |seed| {
        let mut chance = Chance::new(!seed);
        (0..2).map(|_| chance.fault(FIRST)).collect()
    });
}

#[test]
fn drawn_storms_of_errors() {
    sweep("drawn storms", DRAWN / 2, |seed| {
        let mut chance = Chance::new(!seed);
        let number = 3 + chance.below(60);
        (0..number).map(|_| chance.fault(FIRST + 30)).collect()
    });
}
