//! Kernels that lack a part of the sandbox, as simulated by filters that `runner` inherits.

use std::collections::BTreeMap;

use end_to_end::{Call, Output, runner};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, apply_filter};

const JOBS: &str = "{\"op\":\"sum\",\"n\":4}\n";

/// Starts `runner` where these system calls fail with ENOSYS.
fn without(calls: &[i64], arguments: &[&str]) -> Output {
    let rules: BTreeMap<i64, Vec<SeccompRule>> = calls.iter().map(|&call| (call, Vec::new())).collect();
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, missing, arch).unwrap();
    let program = BpfProgram::try_from(filter).unwrap();
    start(&program, runner(arguments).stdin(JOBS))
}

/// A filter applies to the thread that makes it, and to the processes that this thread starts.
fn start(program: &BpfProgram, call: Call) -> Output {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            apply_filter(program).unwrap();
            call.run()
        });
        run.join().unwrap()
    })
}

const NO_LANDLOCK: &[i64] = &[libc::SYS_landlock_create_ruleset];
const NO_SECCOMP: &[i64] = &[libc::SYS_seccomp];

#[test]
fn strict_refuses_a_kernel_that_lacks_a_part_and_names_it() {
    for (calls, part) in [(NO_LANDLOCK, "Landlock"), (NO_SECCOMP, "seccomp")] {
        let output = without(calls, &["-w", "1", "--sandbox", "strict"]);
        assert_eq!(output.code(), 4, "{}", output.stderr);
        let start = format!("runner: the strict sandbox is not possible: {part}: ");
        assert!(output.stderr.starts_with(&start), "{}", output.stderr);
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn strict_refuses_for_programs_as_well() {
    for (calls, part) in [(NO_LANDLOCK, "Landlock"), (NO_SECCOMP, "seccomp")] {
        let output = without(calls, &["-w", "1", "--allow-command", "--sandbox", "strict"]);
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
}

#[test]
fn best_effort_goes_on_and_says_so_once_with_verbose_and_in_statistics() {
    for (calls, part) in [(NO_LANDLOCK, "Landlock"), (NO_SECCOMP, "seccomp")] {
        let output = without(calls, &["-w", "2", "-v", "--stats=json"]);
        assert_eq!(output.code(), 0, "{}", output.stderr);
        assert_eq!(output.text(), "{\"id\":0,\"ok\":true,\"result\":10}\n");
        let said = format!("runner: the sandbox is incomplete: {part}: ");
        assert_eq!(output.stderr.matches(&said).count(), 1, "{}", output.stderr);
        let stats = output.stderr.lines().find(|line| line.starts_with('{')).unwrap();
        let stats: serde_json::Value = serde_json::from_str(stats).unwrap();
        assert_eq!(stats["sandbox"]["level"], "best-effort");
        assert!(stats["sandbox"]["gaps"][0].as_str().unwrap().starts_with(part), "{stats}");
        let quiet = without(calls, &["-w", "1"]);
        assert!(!quiet.stderr.contains("sandbox"), "{}", quiet.stderr);
    }
}

#[test]
fn text_statistics_name_level_and_gaps() {
    let stats = |output: Output| {
        output.stderr.lines().find_map(|line| line.strip_prefix("sandbox: ").map(str::to_owned))
    };
    let off = runner(["-w", "1", "--stats", "--sandbox", "off"]).stdin(JOBS).run();
    assert_eq!(stats(off).as_deref(), Some("off"));
    let incomplete = stats(without(NO_LANDLOCK, &["-w", "1", "--stats"])).unwrap();
    assert!(incomplete.starts_with("best-effort, incomplete: Landlock: "), "{incomplete}");
    let threads = runner(["--executor", "threads", "--stats"]).stdin(JOBS).run();
    assert_eq!(stats(threads), None);
}
