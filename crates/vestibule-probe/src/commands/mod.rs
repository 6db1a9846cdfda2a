//! The commands of a scenario.

mod adopting;
mod clients;
mod connections;
mod listening;
mod process;
mod proxies;
mod slots;
mod taking;
mod transfer;

use crate::arguments::Arguments;
use crate::failure::Answer;
use crate::probe::Probe;

/// What plays one command.
pub(crate) type Command = fn(&mut Probe, &Arguments<'_>) -> Answer;

/// Commands by name.
type Table = &'static [(&'static str, Command)];

const TABLES: [Table; 9] = [
    listening::COMMANDS,
    adopting::COMMANDS,
    taking::COMMANDS,
    slots::COMMANDS,
    clients::COMMANDS,
    transfer::COMMANDS,
    connections::COMMANDS,
    process::COMMANDS,
    proxies::COMMANDS,
];

/// The command of this name.
pub(crate) fn find(name: &str) -> Option<Command> {
    let mut all = TABLES.iter().copied().flatten();
    all.find(|(known, _)| *known == name).map(|(_, command)| *command)
}
