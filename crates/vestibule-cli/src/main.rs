//! The program `vestibule`: servers to try the library with.

mod arguments;
mod echo;
mod fortune;
mod front;
mod output;
mod proxy;
mod service;

use arguments::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Fortune(fortune) => fortune::serve(&fortune),
        Command::Echo(echo) => echo::serve(&echo),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("vestibule: {error}"));
            ExitCode::FAILURE
        }
    }
}
