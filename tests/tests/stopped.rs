//! Runs whose processes are all stopped from outside, as by a freezer or a suspended machine.

use std::{fs, path::PathBuf, thread, time::Duration};

use end_to_end::{Running, runner, shell_jobs};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Duration of the stop; longer than the limits in these tests.
const STOP: Duration = Duration::from_millis(2500);

/// A run with one job that ends when it is [released](Held::release).
struct Held {
    run: Running,
    pipe: PathBuf,
    _folder: tempfile::TempDir,
}

impl Held {
    fn start(options: &[&str]) -> Held {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let jobs = shell_jobs(&[&format!("exec cat {}", pipe.display())]);
        let call = runner(["-w", "1", "--allow-command"].iter().chain(options)).stdin(jobs);
        let mut run = call.start();
        run.wait_until("the program runs", |run| run.programs("cat").len() == 1);
        Held { run, pipe, _folder: folder }
    }

    fn signal_all(&mut self, signal: Signal) {
        for pid in self.run.processes() {
            kill(Pid::from_raw(pid), signal).unwrap();
        }
    }

    fn stop(&mut self) {
        self.signal_all(Signal::SIGSTOP);
        self.run.wait_until("all processes are stopped", |run| {
            run.processes().into_iter().all(|pid| run.state(pid) == Some('T'))
        });
    }

    fn release(&self) {
        fs::write(&self.pipe, "").unwrap();
    }
}

#[test]
fn stopped_time_does_not_count_against_limits() {
    let limits: [&[&str]; 3] = [&["--timeout", "2"], &["--time-limit", "2"], &[]];
    let mut runs = limits.map(Held::start);
    // Starts the grace period of running jobs.
    runs[2].run.signal(Signal::SIGINT);
    runs[2].run.wait_until("the signal is handled", |run| !run.has_pending_signals());
    thread::sleep(Duration::from_millis(300));
    runs.iter_mut().for_each(Held::stop);
    thread::sleep(STOP);
    runs.iter_mut().for_each(|held| held.signal_all(Signal::SIGCONT));
    // Time for an expired limit to be noticed.
    thread::sleep(Duration::from_millis(300));
    runs.iter().for_each(Held::release);
    let [limited, short, interrupted] = runs.map(|held| held.run.wait());
    for (output, words) in [(limited, "--timeout"), (short, "--time-limit"), (interrupted, "SIGINT")] {
        assert_eq!(output.kinds(), ["ok"], "{words}: {} {}", output.text(), output.stderr);
        assert!(!output.stderr.contains("time limit"), "{words}: {}", output.stderr);
    }
}

#[test]
fn limits_apply_again_after_a_stop() {
    let limits: [&[&str]; 2] = [&["--timeout", "1"], &["--time-limit", "1"]];
    let mut runs = limits.map(Held::start);
    runs.iter_mut().for_each(Held::stop);
    thread::sleep(STOP);
    runs.iter_mut().for_each(|held| held.signal_all(Signal::SIGCONT));
    let [limited, short] = runs.map(|held| held.run.wait());
    assert_eq!((limited.kinds(), short.kinds()), (vec!["timeout".into()], vec!["cancelled".into()]));
    assert!(short.stderr.contains("time limit of 1 s reached"), "{}", short.stderr);
}
