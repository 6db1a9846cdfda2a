//! What servers tell, and what their hooks and slots do.

use super::Table;
use crate::arguments::Arguments;
use crate::failure::{Answer, Failure, done};
use crate::hook;
use crate::probe::Probe;
use crate::reaction::{Action, Occasion};
use std::rc::Rc;

pub(super) const COMMANDS: Table = &[
    ("events", events),
    ("counts", counts),
    ("hook", hook),
    ("late-add", late_add),
    ("hooked", hooked),
    ("react", react),
];

fn events(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    Ok(probe.server(arguments.word(0)?)?.log.take_text())
}

fn counts(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let words = probe.server(arguments.word(0)?)?.log.take();
    let count = |word: &str| words.iter().filter(|told| *told == word).count();
    let (new, pending) = (count("new"), count("pending"));
    let other = words.len() - new - pending;
    Ok(format!("new={new} pending={pending} other={other}"))
}

fn hook(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    hook::install(probe.server(arguments.word(0)?)?, arguments.word(1)?)?;
    done()
}

fn late_add(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    hook::add_kept(probe.server(arguments.word(0)?)?)?;
    done()
}

fn hooked(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    Ok(probe.server(arguments.word(0)?)?.hooked.get().to_string())
}

fn react(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let this = probe.server(arguments.word(0)?)?;
    let actions: Result<Rc<[_]>, _> = arguments.word(1)?.split('+').map(Action::read).collect();
    let occasion = Occasion::read(arguments.optional(2).unwrap_or("new"))?;
    if this.is_gone() {
        return Err(Failure::Gone);
    }
    this.reactions.borrow_mut().insert(occasion, actions?);
    done()
}
