//! Each target takes any bytes, and panics when something is wrong.

use crate::acceptor::tests::model::{Model, command_of};
use crate::admission::fuzz_sources;
use crate::proxy::fuzz_proxies;
use crate::{Endpoint, HostAddress, Subnet};

/// A target, by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 4] =
    [("acceptor", acceptor), ("addresses", addresses), ("proxies", fuzz_proxies), ("sources", fuzz_sources)];

/// Commands to the acceptor, three bytes each: it decides as the naive model.
#[allow(clippy::panic, reason = "that is how a fuzzer is told")]
pub fn acceptor(bytes: &[u8]) {
    let mut model = Model::new();
    for command in bytes.chunks_exact(3) {
        let command = command_of(command);
        if let Err(wrong) = model.run(command) {
            panic!("{command:?}: {wrong}");
        }
    }
}

/// Text that may be an address: what can be read is written as text that reads the same.
pub fn addresses(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(address) = text.parse::<HostAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address), "{text}");
    }
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        assert_eq!(endpoint.to_string().parse(), Ok(endpoint), "{text}");
    }
    if let Ok(subnet) = text.parse::<Subnet>() {
        assert_eq!(subnet.to_string().parse(), Ok(subnet), "{text}");
        assert!(subnet.contains(subnet.address()), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::path::Path;

    /// The corpus of each target, which also holds what was once wrong.
    #[test]
    #[allow(clippy::unwrap_used, reason = "a test")]
    fn the_corpus_passes() {
        for (name, target) in TARGETS {
            let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
            let files: Vec<_> =
                std::fs::read_dir(&corpus).unwrap().map(|file| file.unwrap().path()).collect();
            assert!(files.len() >= 10, "{} inputs in {}", files.len(), corpus.display());
            for file in files {
                target(&std::fs::read(file).unwrap());
            }
        }
    }
}
