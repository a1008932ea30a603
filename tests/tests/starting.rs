//! Start of workers: role, arguments, environment and latency.

use std::{
    fs,
    time::{Duration, Instant},
};

use end_to_end::{
    Call, Case,
    probe::{Probe, TIMEOUT, finish, processes},
    program, runner, shell_jobs,
};
use pool::Executor;

/// Environment variable that makes a process a worker.
const ROLE: &str = "RUNNER_WORKER_ROLE";

/// Shell prefix that exports the role of its parent, a worker, to the programs that follow.
const WITH_ROLE: &str = "RUNNER_WORKER_ROLE=\"$(tr '\\0' '\\n' < /proc/$PPID/environ | \
    sed -n s/^RUNNER_WORKER_ROLE=//p)\"; \
    test -n \"$RUNNER_WORKER_ROLE\" || exit 99; export RUNNER_WORKER_ROLE;";

fn exit_code(script: &str) -> u64 {
    let executor = processes(1);
    let code = executor.submit(Probe::Shell(script.to_owned())).unwrap().result_timeout(TIMEOUT).unwrap();
    finish(&executor);
    code
}

#[test]
fn role_variable_is_hidden_from_jobs() {
    let _case = Case::begin();
    assert_eq!(exit_code("env | grep -q RUNNER_SLOT"), 0);
    assert_eq!(exit_code(&format!("env | grep {ROLE}")), 1);
    let jobs = shell_jobs(&["env"]);
    let output = runner(["-w", "1", "--allow-command"]).stdin(jobs).run();
    let seen = output.records()[0]["result"]["stdout"].as_str().unwrap().to_owned();
    assert!(seen.contains("RUNNER_GENERATION=") && !seen.contains(ROLE), "{seen}");
}

#[test]
fn job_that_starts_its_own_program_starts_no_worker() {
    let _case = Case::begin();
    // Exit code of a worker program that was not started by a pool.
    assert_eq!(exit_code("/proc/$PPID/exe"), 2);
    // Also with the role of the worker.
    assert_eq!(exit_code(&format!("{WITH_ROLE} /proc/$PPID/exe")), 2);
    assert_eq!(exit_code(&format!("{WITH_ROLE} exec /proc/$PPID/exe")), 2);
}

#[test]
fn forged_role_is_ignored() {
    let own = std::process::id();
    let mut values = vec![String::new(), "4".into(), "no role".into()];
    values.extend(["builtin", "probe"].map(|name| format!("{own} 0 {} {name}/nowhere", name.len())));
    values.extend(["builtin", "probe"].map(|name| format!("{own} 1 {} {name}/nowhere", name.len())));
    for value in values {
        let output =
            runner(["-w", "1"]).stdin("{\"op\":\"sum\",\"n\":4}\n").with(|c| c.env(ROLE, &value)).run();
        assert_eq!(output.code(), 0, "{value}: {}", output.stderr);
        assert_eq!(output.kinds(), ["ok"], "{value}: {}", output.stderr);
        let output = Call::new(&program("probe-worker"), [""; 0]).with(|c| c.env(ROLE, &value)).run();
        assert_eq!(output.code(), 2, "{value}");
        assert!(output.stderr.contains("it is started by a process pool"), "{}", output.stderr);
    }
}

#[test]
fn workers_have_a_name_and_no_arguments() {
    let _case = Case::begin();
    assert_eq!(exit_code("printf 'probe-worker worker 0\\0' | cmp - /proc/$PPID/cmdline"), 0);
    // Shortened to the 15 bytes that the kernel keeps.
    assert_eq!(exit_code("test \"$(cat /proc/$PPID/comm)\" = 'probe--worker-0'"), 0);
}

#[test]
fn program_without_standard_input_starts_workers() {
    let _case = Case::begin();
    let output = Call::new(&program("exit-probe"), ["work-without-input"]).run();
    assert_eq!(output.text(), "Ok(2)\nOk(4)\nOk(6)\nbroken: None\n", "{}", output.stderr);
}

/// Returns the shortest time from building a pool to its first result; other programs can only add to it.
fn first_result() -> Duration {
    let times = (0..15).map(|n| {
        let start = Instant::now();
        let executor = processes(1);
        assert_eq!(executor.submit(Probe::Double(n)).unwrap().result_timeout(TIMEOUT).unwrap(), 2 * n);
        let taken = start.elapsed();
        finish(&executor);
        taken
    });
    times.min().unwrap()
}

#[test]
fn start_latency_does_not_depend_on_the_memory_of_the_parent() {
    const MUCH: usize = 1 << 30;
    let _case = Case::begin();
    let available = fs::read_to_string("/proc/meminfo").unwrap();
    let available = available.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    let available: usize = available.trim().trim_end_matches(" kB").parse().unwrap();
    if available < (MUCH >> 10) * 2 {
        eprintln!("NOT RUN: less than 2 GiB of memory are available");
        return;
    }
    let little = first_result();
    // Touched, so that page tables exist that a fork would copy.
    let memory = vec![1u8; MUCH];
    let much = first_result();
    assert_eq!(std::hint::black_box(&memory)[MUCH / 2], 1);
    println!("{little:?} with little memory, {much:?} with 1 GiB");
    assert!(much < little + Duration::from_millis(2), "{little:?} with little memory, {much:?} with 1 GiB");
}
