//! Runs of this project: on a server with two nodes of one worker each, and on the local pool.

use std::{cell::Cell, env, path::Path, process::Command};

use peers::rounds::Result;

use crate::{daemon::Daemon, jobs::Jobs};

const QUEUE: [&str; 2] = ["--queue", "q"];

/// A NATS server and its nodes on this machine.
pub(crate) struct Cluster {
    // Dropped before the server.
    _nodes: [Daemon; 2],
    _server: Daemon,
    url: String,
    runs: Cell<usize>,
}

impl Cluster {
    /// Starts a server that stores its data in `folder`, on a free port, and two nodes.
    pub(crate) fn start(folder: &Path) -> Result<Cluster> {
        let mut command = Command::new("nats-server");
        command.args(["-js", "-a", "127.0.0.1", "-p", "-1", "-sd"]).arg(folder.join("server"));
        let (server, line) = Daemon::start(&mut command, "Listening for client connections on")?;
        let address = line.rsplit(' ').next().unwrap_or_default();
        let url = format!("nats://{address}");
        let node = || -> Result<Daemon> {
            let arguments = [&["node", "--workers", "1", "--cluster", &url], &QUEUE[..]].concat();
            Ok(Daemon::start(runner()?.args(arguments), "serves the queue")?.0)
        };
        Ok(Cluster { _nodes: [node()?, node()?], _server: server, url, runs: Cell::new(0) })
    }

    /// Returns the duration of a run in seconds. Each run has its own name; its results are removed after the
    /// measurement.
    pub(crate) fn run(&self, jobs: &Jobs) -> Result<f64> {
        self.runs.set(self.runs.get() + 1);
        let id = format!("run-{}", self.runs.get());
        let queue = [&["--cluster", &self.url, "--run-id", &id], &QUEUE[..]].concat();
        let seconds = jobs.time(runner()?.arg("--quiet").args(&queue))?;
        let status = runner()?.args(["cluster", "clean"]).args(&queue).output()?.status;
        if status.success() { Ok(seconds) } else { Err(format!("cannot remove the run: {status}").into()) }
    }
}

/// Returns the duration of a run on two local workers in seconds.
pub(crate) fn run_locally(jobs: &Jobs) -> Result<f64> {
    jobs.time(runner()?.args(["--quiet", "--workers", "2"]))
}

/// Returns the version of the server.
pub(crate) fn server_version() -> Result<String> {
    let output = Command::new("nats-server").arg("--version").output();
    let output = output.map_err(|_| "nats-server is not installed (Debian: nats-server)")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().replace(": ", " "))
}

/// Returns a command for the `runner` next to this program, without the user's `RUNNER_*` variables.
fn runner() -> Result<Command> {
    let mut command = Command::new(env::current_exe()?.with_file_name("runner"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("RUNNER_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}
