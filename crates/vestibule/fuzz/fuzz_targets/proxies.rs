#![no_main]
#![allow(missing_docs, reason = "a target of cargo-fuzz")]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((_, target)) = vestibule::fuzzing::TARGETS.iter().find(|(name, _)| *name == "proxies") {
        target(bytes);
    }
});
