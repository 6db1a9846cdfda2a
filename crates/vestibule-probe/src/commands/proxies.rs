//! Proxies: a server's own, and the application's.

use super::Table;
use crate::arguments::Arguments;
use crate::failure::{Answer, Failure, done};
use crate::probe::Probe;
use crate::spelling;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vestibule::{NetworkProxy, NetworkProxyFactory};

pub(super) const COMMANDS: Table = &[
    ("proxy", proxy),
    ("appproxy", application_proxy),
    ("appfactory", application_factory),
    ("factorycalls", factory_calls),
];

/// The proxy that the words from this one on mean: TYPE [HOST PORT [USER PASSWORD]].
fn named(arguments: &Arguments<'_>, from: usize) -> Result<NetworkProxy, Failure> {
    let proxy_type = spelling::read_proxy_type(arguments.word(from)?)?;
    let Some(host) = arguments.optional(from + 1) else { return Ok(NetworkProxy::new(proxy_type, "", 0)) };
    let proxy = NetworkProxy::new(proxy_type, host, arguments.number(from + 2)?);
    match arguments.optional(from + 3) {
        Some(user) => Ok(proxy.with_credentials(user, arguments.word(from + 4)?)),
        None => Ok(proxy),
    }
}

fn proxy(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let proxy = named(arguments, 1)?;
    probe.server(arguments.word(0)?)?.with(|server| server.set_proxy(proxy))?;
    done()
}

fn application_proxy(_: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    NetworkProxy::set_application_proxy(named(arguments, 0)?);
    done()
}

fn application_factory(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let mut proxies = Vec::new();
    for word in arguments.words() {
        proxies.push(NetworkProxy::new(spelling::read_proxy_type(word)?, "127.0.0.1", 9));
    }
    let calls = Arc::new(AtomicUsize::new(0));
    probe.factory_calls = Arc::clone(&calls);
    NetworkProxyFactory::set_application_proxy_factory(move |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        proxies.clone()
    });
    done()
}

#[allow(clippy::unnecessary_wraps, reason = "commands answer so")]
fn factory_calls(probe: &mut Probe, _: &Arguments<'_>) -> Answer {
    Ok(probe.factory_calls.load(Ordering::Relaxed).to_string())
}
