use super::core::ServerCore;
use crate::admission::{AcceptErrors, RefusalReason, Statistics};
use metrics::{Counter, Gauge, Label};
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

/// What a server tells the `metrics` facade: its statistics, about once a second while they change.
#[derive(Default)]
pub(super) struct Meter {
    instruments: OnceCell<Instruments>,
    told: Cell<Option<Statistics>>,
}

/// The instruments of one server, looked up once.
struct Instruments {
    accepted: Counter,
    refused: [Counter; RefusalReason::ALL.len()],
    errors: [Counter; 4],
    received: Counter,
    sent: Counter,
    timed_out: Counter,
    cut: Counter,
    panics: Counter,
    episodes: Counter,
    open: Gauge,
    pending: Gauge,
    exhausted: Gauge,
}

impl Instruments {
    fn new(server: &str) -> Self {
        let server = Label::new("server", server.to_owned());
        let with = |key: &'static str, value: &'static str| vec![server.clone(), Label::new(key, value)];
        let plain = || vec![server.clone()];
        let refused = |reason: RefusalReason| {
            metrics::counter!("vestibule_connections_refused_total", with("reason", reason.name()))
        };
        let error =
            |class: &'static str| metrics::counter!("vestibule_accept_errors_total", with("class", class));
        let bytes = |to: &'static str| metrics::counter!("vestibule_bytes_total", with("direction", to));
        Self {
            accepted: metrics::counter!("vestibule_connections_accepted_total", plain()),
            refused: RefusalReason::ALL.map(refused),
            errors: ["connection", "resources", "broken", "unknown"].map(error),
            received: bytes("received"),
            sent: bytes("sent"),
            timed_out: metrics::counter!("vestibule_connections_timed_out_total", plain()),
            cut: metrics::counter!("vestibule_connections_cut_total", plain()),
            panics: metrics::counter!("vestibule_panics_total", plain()),
            episodes: metrics::counter!("vestibule_exhaustions_total", plain()),
            open: metrics::gauge!("vestibule_connections_open", plain()),
            pending: metrics::gauge!("vestibule_connections_pending", plain()),
            exhausted: metrics::gauge!("vestibule_exhausted_seconds", plain()),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "a gauge is a float, and no server has 2^52 connections")]
    fn tell(&self, statistics: &Statistics) {
        let AcceptErrors { connection, resources, broken, unknown } = statistics.errors;
        self.accepted.absolute(statistics.accepted);
        for (counter, number) in self.refused.iter().zip(statistics.refused) {
            counter.absolute(number);
        }
        for (counter, number) in self.errors.iter().zip([connection, resources, broken, unknown]) {
            counter.absolute(number);
        }
        self.received.absolute(statistics.received);
        self.sent.absolute(statistics.sent);
        self.timed_out.absolute(statistics.timed_out);
        self.cut.absolute(statistics.cut);
        self.panics.absolute(statistics.panics);
        self.episodes.absolute(statistics.episodes);
        self.open.set(statistics.open as f64);
        self.pending.set(statistics.pending as f64);
        self.exhausted.set(statistics.exhausted.as_secs_f64());
    }
}

impl ServerCore {
    fn current(&self) -> Statistics {
        Statistics::of(&self.ledger, self.now())
    }

    /// Whether something has changed since the facade was told.
    pub(crate) fn has_untold_metrics(&self) -> bool {
        self.meter.told.get() != Some(self.current())
    }

    /// From now on the facade is told, under the name of the server, or its address if it has none.
    pub(super) fn begin_metering(self: &Rc<Self>) {
        let name = || match self.object_name.borrow().as_str() {
            "" => self.endpoint().to_string(),
            name => name.to_owned(),
        };
        self.meter.instruments.get_or_init(|| Instruments::new(&name()));
        self.event_loop.meter(Rc::downgrade(self));
    }

    /// Tells the facade, if the server has ever listened.
    pub(crate) fn tell_metrics(&self) {
        let current = self.current();
        self.meter.told.set(Some(current));
        if let Some(instruments) = self.meter.instruments.get() {
            instruments.tell(&current);
        }
    }
}
