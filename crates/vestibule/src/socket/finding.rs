use super::core::SocketCore;
use super::failure::Failure;
use crate::resolver::{Lookup, literal};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

/// Finding the addresses of the host that is connected to, or of the proxy in between.
impl SocketCore {
    /// Whose addresses are needed next.
    fn sought(&self) -> Option<(String, u16)> {
        let outgoing = self.outgoing_if_any()?;
        let attempt = outgoing.attempt.borrow();
        Some(match &attempt.as_ref()?.route {
            Some(route) if route.is_to_proxy() => (route.proxy.host_name().to_owned(), route.proxy.port()),
            _ => (outgoing.host.borrow().clone(), outgoing.port.get()),
        })
    }

    /// Looks for the addresses that are needed next, and begins to connect if they are known at once. Failures are told later.
    pub(super) fn find_addresses(self: &Rc<Self>) {
        let Some((host, port)) = self.sought() else { return };
        let prepared = self.with_attempt(|attempt| match &mut attempt.route {
            Some(route) if route.is_to_proxy() => route.prepare(),
            _ => Ok(()),
        });
        if let Some(Err(refusal)) = prepared {
            return self.fail_soon(Failure::Refused(refusal));
        }
        let known = self.with_attempt(|attempt| {
            let route = attempt.route.as_ref().filter(|route| route.is_to_proxy())?;
            route.addresses.as_ref().map(|addresses| Ok(addresses.to_vec()))
        });
        match known.flatten().or_else(|| self.addresses_at_once(&host, port)) {
            Some(Ok(addresses)) => {
                if let Some(failure) = self.addresses_found(&addresses) {
                    self.fail_soon(failure);
                }
            }
            Some(Err(error)) => self.fail_soon(Failure::NotFound(error)),
            None => self.begin_lookup(host, port),
        }
    }

    /// Goes on with the addresses that were looked for, and tells if that is impossible.
    fn addresses_found(self: &Rc<Self>, addresses: &[SocketAddr]) -> Option<Failure> {
        let of_host = self.with_attempt(|attempt| match &mut attempt.route {
            Some(route) if !route.is_to_proxy() => {
                if let Some(address) = addresses.first() {
                    route.resolved(*address);
                }
                true
            }
            Some(route) => {
                route.addresses.get_or_insert_with(|| addresses.into());
                false
            }
            None => false,
        });
        if of_host != Some(true) {
            self.begin_race(addresses);
            return self.try_what_is_due().map(Failure::System);
        }
        if addresses.is_empty() {
            return Some(Failure::NotFound(io::ErrorKind::AddrNotAvailable.into()));
        }
        self.find_addresses(); // the proxy's
        None
    }

    /// The addresses of a host, if it takes no time to know them.
    fn addresses_at_once(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        match literal(host, port) {
            Some(address) => Some(address.map(|address| vec![address])),
            None => self.event_loop.driver.borrow().look_up(host, port),
        }
    }

    fn begin_lookup(self: &Rc<Self>, host: String, port: u16) {
        let socket = Rc::downgrade(self);
        let done = self.event_loop.channel(move |()| {
            if let Some(socket) = socket.upgrade() {
                socket.look_at_lookup();
                socket.tell();
            }
        });
        let done = move || _ = done.send(()); // a loop that is gone needs no answer
        match Lookup::begin(host, port, done) {
            Ok(lookup) => {
                let deadline = self.with_attempt(|attempt| {
                    attempt.lookup = Some(lookup);
                    attempt.deadline
                });
                self.wake_at(deadline.flatten());
            }
            Err(error) => self.fail_soon(Failure::NotFound(error)),
        }
    }

    /// Takes the answer to the question for the name, if it is there.
    pub(crate) fn look_at_lookup(self: &Rc<Self>) {
        let answer = self.with_attempt(|attempt| {
            let answer = attempt.lookup.as_ref()?.take()?;
            attempt.lookup = None;
            Some(answer)
        });
        let failure = match answer.flatten() {
            Some(Ok(addresses)) => self.addresses_found(&addresses),
            Some(Err(error)) => Some(Failure::NotFound(error)),
            None => None,
        };
        if let Some(failure) = failure {
            self.give_up(failure);
        }
    }
}
