//! `--progress`.

use end_to_end::{runner, screen::on_a_terminal};

use crate::stage::Stage;

#[test]
fn lines_show_failures_retries_busy_workers_rate_and_time_left() {
    let stage = Stage::new();
    let jobs = stage.waiting_job("a") + &stage.waiting_job("b");
    let arguments = ["-w", "2", "--allow-command", "--progress", "always"];
    let mut run = stage.start(runner(arguments).stdin(jobs));
    stage.wait_for(&mut run, "runner: 0/2 jobs, 0 failed, 0 retries, 2/2 busy, 0.0/s, ? left\n");
    stage.open();
    assert_eq!(run.wait().code(), 0);
}

#[test]
fn retries_are_counted_in_progress() {
    let stage = Stage::new();
    // The worker is killed in the first attempt; the second one waits.
    let kill = format!("[ -e {0} ] || {{ touch {0}; kill -9 0; }}", stage.path("killed").display());
    let jobs = stage.waiting_job("a").replace("until ", &format!("{kill}; until "));
    let arguments = ["-w", "1", "--allow-command", "--progress", "always"];
    let mut run = stage.start(runner(arguments).stdin(jobs));
    stage.wait_for(&mut run, "0/1 jobs, 0 failed, 1 retries, 1/1 busy, ");
    stage.open();
    assert_eq!(run.wait().code(), 0);
}

#[test]
fn the_bar_of_a_terminal_shows_the_same() {
    let sleepers = "{\"op\":\"sleep\",\"seconds\":0.3}\n".repeat(4);
    let (screen, output) = on_a_terminal(runner(["-w", "2"]).stdin(sleepers), false);
    assert_eq!(output.code(), 0);
    for part in ["/4 jobs, 0 failed, 0 retries, ", "2/2 busy, ", "/s, ", " left"] {
        assert!(screen.written.contains(part), "{part:?} in {:?}", screen.written);
    }
}

#[test]
fn a_pause_is_shown() {
    let stage = Stage::new();
    let root = stage.machine();
    stage.set_runnable(9);
    let arguments = ["-w", "1", "--progress", "always", "--max-load", "1", "--system-root", &root];
    let mut run = stage.start(runner(arguments).stdin("{\"op\":\"sum\",\"n\":4}\n"));
    stage.wait_for(&mut run, "0/1 jobs, 0 failed, 0 retries, 0/1 busy, paused, 0.0/s, ? left\n");
    stage.set_runnable(0);
    assert_eq!(run.wait().code(), 0);
}
