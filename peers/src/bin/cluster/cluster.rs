//! This project: a server with two nodes of one worker each, and the local pool.

use std::{cell::Cell, env, path::Path, process::Command};

use peers::rounds::Result;

use crate::{daemon::Daemon, jobs::Jobs};

const QUEUE: [&str; 2] = ["--queue", "q"];

/// A server and its nodes, on this machine.
pub(crate) struct Cluster {
    // They go before the server does.
    _nodes: [Daemon; 2],
    _server: Daemon,
    url: String,
    runs: Cell<usize>,
}

impl Cluster {
    /// Starts a server that stores in this folder, on a port that is free, and two nodes that serve.
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

    /// Seconds that a run takes. Each has a name of its own, and its results are removed when the clock has
    /// stopped.
    pub(crate) fn run(&self, jobs: &Jobs) -> Result<f64> {
        self.runs.set(self.runs.get() + 1);
        let id = format!("run-{}", self.runs.get());
        let queue = [&["--cluster", &self.url, "--run-id", &id], &QUEUE[..]].concat();
        let seconds = jobs.time(runner()?.arg("--quiet").args(&queue))?;
        let status = runner()?.args(["cluster", "clean"]).args(&queue).output()?.status;
        if status.success() { Ok(seconds) } else { Err(format!("cleaning ended with {status}").into()) }
    }
}

/// Seconds that a run on two local workers takes.
pub(crate) fn run_locally(jobs: &Jobs) -> Result<f64> {
    jobs.time(runner()?.args(["--quiet", "--workers", "2"]))
}

/// What the server calls itself, or that there is none.
pub(crate) fn server_version() -> Result<String> {
    let output = Command::new("nats-server").arg("--version").output();
    let output = output.map_err(|_| "there is no `nats-server`; Debian's package of that name has it")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().replace(": ", " "))
}

/// The built `runner` next to this program, without what the user's environment would tell it.
fn runner() -> Result<Command> {
    let mut command = Command::new(env::current_exe()?.with_file_name("runner"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("RUNNER_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}
