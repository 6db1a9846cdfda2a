use super::core::LoopCore;
use super::deadlines::later;
use crate::server::ServerCore;
use std::cell::{Cell, RefCell};
use std::rc::Weak;
use std::time::{Duration, Instant};

/// How often the `metrics` facade is told at most.
const PERIOD: Duration = Duration::from_secs(1);

/// The servers of a loop whose statistics the `metrics` facade is told.
#[derive(Debug, Default)]
pub(super) struct Metering {
    servers: RefCell<Vec<Weak<ServerCore>>>,
    /// When it is told next; not before something has changed.
    at: Cell<Option<Instant>>,
}

impl LoopCore {
    pub(crate) fn meter(&self, server: Weak<ServerCore>) {
        let mut servers = self.metering.servers.borrow_mut();
        servers.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&server));
        servers.push(server);
    }

    pub(super) fn metrics_deadline(&self) -> Option<Instant> {
        self.metering.at.get()
    }

    /// A turn has ended: tells the facade if it is time, and else sees that it will be if there is something to tell.
    pub(super) fn tell_metrics(&self) {
        let metering = &self.metering;
        let servers = metering.servers.borrow();
        let servers = || servers.iter().filter_map(Weak::upgrade);
        match metering.at.get() {
            Some(at) if self.driver.borrow().now() >= at => {
                metering.at.set(None);
                servers().for_each(|server| server.tell_metrics());
            }
            None if servers().any(|server| server.has_untold_metrics()) => {
                metering.at.set(Some(later(self.driver.borrow().now(), PERIOD)));
            }
            _ => {}
        }
    }
}
