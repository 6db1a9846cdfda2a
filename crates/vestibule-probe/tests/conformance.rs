//! Every conformance scenario gives the trace that its `.want` file says.
//!
//! They are played one after the other: a scenario takes a port again that it gave up, which another probe might have
//! got in the meantime.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn play(name: &str) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let file = scenarios().join(name).with_extension("scn");
    let output = Command::new(env!("CARGO_BIN_EXE_vestibule-probe")).arg(&file).output().unwrap();
    let (got, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let want = std::fs::read_to_string(file.with_extension("want")).unwrap();
    for (number, (want, got)) in want.lines().zip(got.lines()).enumerate() {
        assert_eq!(got, want, "{name}, line {}", number + 1);
    }
    assert_eq!(got.lines().count(), want.lines().count(), "{name}: {complaint}");
    assert!(output.status.success(), "{name}: {}: {complaint}", output.status);
}

macro_rules! scenarios {
    ($($test:ident $name:literal;)*) => {
        $(#[test] fn $test() { play($name); })*

        #[test]
        fn no_scenario_is_forgotten() {
            let played = [$($name),*];
            for entry in std::fs::read_dir(scenarios()).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap();
                assert!(played.contains(&name), "{name} is not played");
            }
        }
    };
}

scenarios! {
    abort "abort";
    addresses "addresses";
    adopt "adopt";
    adopt_bad "adopt-bad";
    backlog "backlog";
    close_queued "close-queued";
    coexist "coexist";
    drop "drop";
    emfile "emfile";
    emfile_listen "emfile-listen";
    factory "factory";
    fifo "fifo";
    fresh "fresh";
    hook_late "hook-late";
    hooks "hooks";
    listen_already "listen-already";
    listen_errors "listen-errors";
    max "max";
    max_lower "max-lower";
    max_raise "max-raise";
    max_zero "max-zero";
    one_family "one-family";
    pause "pause";
    pause_kept "pause-kept";
    peer_end "peer-end";
    pending_data "pending-data";
    port_zero "port-zero";
    proxies "proxies";
    read_buffer "read-buffer";
    relisten "relisten";
    signals "signals";
    slot_close "slot-close";
    slot_drop "slot-drop";
    slot_pause "slot-pause";
    slot_relisten "slot-relisten";
    slot_take "slot-take";
    slot_wait "slot-wait";
    wait "wait";
    wait_limit "wait-limit";
    wait_pending "wait-pending";
    write_disconnect "write-disconnect";
}
