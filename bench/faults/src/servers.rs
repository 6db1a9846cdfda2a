//! The servers that are measured, and how they are built.

use crate::Outcome;
use crate::conversation::Conversation;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The versions of the libraries that the peers are built with.
const LOCK: &str = include_str!("../Cargo.lock");

/// A server to measure.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) conversation: Conversation,
    origin: Origin,
}

/// Where the program of a server comes from.
#[derive(Debug)]
enum Origin {
    /// The workspace around this project.
    Repository,
    /// This project, which builds it with the package named here.
    Peer { package: &'static str },
}

/// In the order of the table.
pub(crate) const SUBJECTS: [Subject; 6] = [
    Subject {
        name: "vestibule",
        arguments: &["echo", "--listen", "127.0.0.1:0"],
        conversation: Conversation::Echo,
        origin: Origin::Repository,
    },
    Subject::peer("vestibule-axum", "axum", Conversation::Http),
    Subject::peer("peer-tokio", "tokio", Conversation::Echo),
    Subject::peer("peer-tokio-return", "tokio", Conversation::Echo),
    Subject::peer("peer-actix", "actix-server", Conversation::Echo),
    Subject::peer("peer-axum", "axum", Conversation::Http),
];

impl Subject {
    const fn peer(name: &'static str, package: &'static str, conversation: Conversation) -> Self {
        Self { name, arguments: &[], conversation, origin: Origin::Peer { package } }
    }

    fn is_peer(&self) -> bool {
        matches!(self.origin, Origin::Peer { .. })
    }

    /// What the table calls it.
    pub(crate) fn title(&self) -> String {
        let name = if self.name.starts_with("vestibule") {
            format!("**{}**", self.name)
        } else {
            self.name.to_owned()
        };
        match self.origin {
            Origin::Repository => name,
            Origin::Peer { package } => {
                format!("{name} ({package} {})", locked_version(package).unwrap_or("?"))
            }
        }
    }
}

fn locked_version(package: &str) -> Option<&'static str> {
    let (_, after) = LOCK.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    after.split('"').next()
}

/// The programs of the servers.
#[derive(Debug)]
pub(crate) struct Programs {
    vestibule: Option<PathBuf>,
    peers: Vec<PathBuf>,
}

impl Programs {
    /// Builds what these servers need and is not given.
    pub(crate) fn prepare(subjects: &[&Subject], vestibule: Option<PathBuf>) -> Outcome<Self> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut programs = Self { vestibule, peers: Vec::new() };
        if subjects.iter().any(|subject| subject.is_peer()) {
            programs.peers = build(&project.join("Cargo.toml"), &["--bins", "--locked"])?;
        }
        if programs.vestibule.is_none() && subjects.iter().any(|subject| !subject.is_peer()) {
            let package = ["--package", "vestibule-cli", "--bin", "vestibule"];
            programs.vestibule = build(&project.join("../../Cargo.toml"), &package)?.pop();
        }
        Ok(programs)
    }

    pub(crate) fn of(&self, subject: &Subject) -> Outcome<&Path> {
        let is_named = |path: &&PathBuf| path.file_name().is_some_and(|name| name == subject.name);
        let program = match subject.origin {
            Origin::Repository => self.vestibule.as_ref(),
            Origin::Peer { .. } => self.peers.iter().find(is_named),
        };
        Ok(program.ok_or("cargo built no such program")?)
    }
}

/// Has cargo build what the arguments say; returns the programs. What cargo tells goes to standard error.
fn build(manifest: &Path, arguments: &[&str]) -> Outcome<Vec<PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--message-format", "json-render-diagnostics", "--manifest-path"]);
    command.arg(manifest).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo cannot build {}", manifest.display()).into());
    }
    let messages = String::from_utf8(output.stdout)?;
    Ok(messages.lines().filter_map(executable).map(PathBuf::from).collect())
}

/// The program that a message of cargo tells of.
fn executable(message: &str) -> Option<&str> {
    let (_, after) = message.split_once("\"executable\":\"")?;
    after.split('"').next()
}
