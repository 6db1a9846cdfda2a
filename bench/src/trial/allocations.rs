//! Allocations an operation, counted by a library that the server is started with.

use super::Task;
use super::closed::IN_FLIGHT;
use crate::Outcome;
use crate::finding::{Values, float};
use crate::load::churn::{Churn, Ending};
use crate::load::crowd::Crowd;
use crate::process::{NotStarted, Process, Way};
use crate::server::repository;
use std::path::{Path, PathBuf};

const LIBRARY: &str = "target/peers/count-allocations.so";
const COUNTER: &str = "VESTIBULE_COUNT_ALLOCATIONS";

/// Counts for short connections, and for lasting ones.
pub(super) fn allocations(task: &Task) -> Outcome<Values> {
    let mut values = Values::default();
    for &exchange in task.server.exchanges() {
        let counted = Counted::start(task, exchange.served_by())?;
        let mut churn = Churn::new(counted.process.address, exchange, Ending::Hot)?;
        churn.storm(IN_FLIGHT, task.limits.warm_up())?;
        let before = counted.number()?;
        let operations = churn.storm(IN_FLIGHT, task.limits)?;
        values.set(exchange.name(), float(counted.number()? - before) / float(operations));
    }
    if !task.server.echoes() {
        return Ok(values);
    }
    let counted = Counted::start(task, "echo")?;
    let mut crowd = Crowd::gather(counted.process.address, 64, 64)?;
    crowd.converse(1, task.limits.warm_up())?;
    let before = counted.number()?;
    let operations = crowd.converse(1, task.limits)?;
    values.set("echo-64", float(counted.number()? - before) / float(operations));
    Ok(values)
}

/// A server whose allocations are counted in a file.
#[derive(Debug)]
struct Counted {
    process: Process,
    file: PathBuf,
}

impl Counted {
    fn start(task: &Task, serves: &str) -> Outcome<Self> {
        let library = repository().join(LIBRARY);
        if !library.exists() {
            return Err(Box::new(NotStarted(format!("{LIBRARY} is missing"))));
        }
        let file = std::env::temp_dir().join(format!("vestibule-allocations-{}", std::process::id()));
        std::fs::write(&file, [0; 4096])?;
        let environment = [("LD_PRELOAD", text(&library)?), (COUNTER, text(&file)?)];
        let process = task.start(&Way { environment: &environment, ..Way::serving(serves) })?;
        Ok(Self { process, file })
    }

    fn number(&self) -> Outcome<u64> {
        let bytes = std::fs::read(&self.file)?;
        Ok(u64::from_ne_bytes(bytes.get(..8).ok_or("the counter is missing")?.try_into()?))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

fn text(path: &Path) -> Outcome<&str> {
    Ok(path.to_str().ok_or("the name of a folder is not UTF-8")?)
}
