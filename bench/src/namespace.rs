//! A network of its own for a trial.

use crate::Outcome;
use std::process::{Command, Stdio};

/// What a namespace is told, as far as it lets itself be told.
const SETTINGS: [(&str, &str); 4] = [
    ("net/ipv4/ip_local_port_range", "1024 65535"),
    ("net/core/somaxconn", "16384"),
    ("net/ipv4/tcp_max_syn_backlog", "16384"),
    ("net/ipv4/tcp_syncookies", "0"),
];

/// Whether this process may make such networks.
pub(crate) fn are_possible() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--net", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Makes the loopback device of this process's own, new network ready.
pub(crate) fn prepare() -> Outcome<()> {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).stdin(Stdio::null()).status();
    if !up.is_ok_and(|status| status.success()) {
        return Err("ip link set lo up does not work".into());
    }
    for (name, value) in SETTINGS {
        // An older kernel does not have all of them in a namespace.
        let _ = std::fs::write(format!("/proc/sys/{name}"), value);
    }
    Ok(())
}
