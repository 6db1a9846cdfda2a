use super::network::SimulatedNetwork;
use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The environment variable that has [`explore`] try one seed alone.
const SEED: &str = "VESTIBULE_SEED";

/// Runs a test once for each seed, on a network of its own.
///
/// When it panics, the line that replays it is printed: with the environment variable `VESTIBULE_SEED` set, only that seed
/// is tried.
///
/// ```
/// use vestibule::simulation::explore;
///
/// explore(0..100, |network| {
///     let event_loop = network.event_loop();
///     // … a server on the loop, clients on the network, and what must hold
///     # drop(event_loop);
/// });
/// ```
///
/// # Panics
///
/// When the test does, with the same panic; and when no network can be made because no descriptor is left.
#[allow(clippy::expect_used, reason = "it is a test's, and says what is lacking")]
pub fn explore(seeds: Range<u64>, test: impl Fn(&SimulatedNetwork)) {
    let only = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(seeds, |seed| seed..seed + 1);
    for seed in seeds {
        let network = SimulatedNetwork::new(seed).expect("a descriptor for a simulated network");
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(&network))) {
            let name = std::thread::current().name().map(|name| format!(" {name}")).unwrap_or_default();
            let replay = format!("{SEED}={seed} cargo test{name}");
            let _ = writeln!(
                std::io::stderr(),
                "the simulation failed with seed {seed}; replay it with: {replay}"
            );
            resume_unwind(panic);
        }
    }
}
