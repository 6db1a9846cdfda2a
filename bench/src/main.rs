//! `bench`: measures servers side by side, each trial in a network of its own, and writes a report.

mod arguments;
mod campaign;
mod finding;
mod load;
mod meter;
mod mode;
mod namespace;
mod process;
mod report;
mod results;
mod server;
mod statistics;
mod trial;

use arguments::{Arguments, Plan, Subcommand};
use campaign::Campaign;
use clap::Parser;
use results::Results;
use server::repository;
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.trial {
        Some(Subcommand::Trial(trial)) => trial::run(trial),
        None => drive(&arguments.campaign),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody to tell when this fails, too.
            let _ = writeln!(std::io::stderr(), "bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn drive(plan: &Plan) -> Outcome<()> {
    let name = if plan.quick { "quick.csv" } else { "results.csv" };
    let path = repository().join("target/bench").join(name);
    let mut campaign = Campaign::new(plan)?;
    let mut results = Results::open(&path, plan.resume || plan.report_only)?;
    if !plan.report_only {
        campaign.run(&mut results)?;
    }
    let text = if plan.quick { report::brief(&results)? } else { format!("{}\n", report::write(&results)?) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
