//! Environments that lack resources of a run: disk space, descriptors, processes, memory.

use std::{
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStringExt,
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::PathBuf,
    process::Stdio,
};

use end_to_end::{gcd_jobs, runner};

const JOB: &str = "{\"op\":\"sum\",\"n\":4}\n";
const RESULT: &str = "{\"id\":0,\"ok\":true,\"result\":10}\n";

#[test]
fn a_full_disk_is_an_error() {
    let (jobs, _) = gcd_jobs(100_000);
    for executor in ["processes", "threads", "serial"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = runner(["--executor", executor]).stdin(jobs.clone()).with(|c| c.stdout(full)).run();
        assert_eq!(output.code(), 3);
        assert!(output.stderr.contains("cannot write the results"), "{}", output.stderr);
    }
    let output = runner(["-o", "/dev/full"]).stdin(JOB).run();
    assert_eq!(output.code(), 3);
}

#[test]
fn closed_standard_output_acts_like_dev_null() {
    let close = |command: &mut std::process::Command| {
        // SAFETY: closing a descriptor is safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(|| {
                libc::close(1);
                Ok(())
            });
        }
    };
    for executor in ["processes", "threads", "serial"] {
        let call = runner(["--executor", executor]).stdin(JOB).with(|c| {
            close(c);
            c
        });
        let output = call.run();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        assert_eq!(output.text(), "", "{}", output.stderr);
    }
}

#[test]
fn closed_standard_error_is_not_an_error() {
    let output = runner(["--stats"]).stdin(format!("5\n{JOB}")).with(|c| c.stderr(Stdio::null())).run();
    assert_eq!(output.code(), 1);
}

#[test]
fn unusable_tmpdir_is_reported_and_threads_need_none() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let not_utf8 = folder.path().join(OsString::from_vec(b"\xff".to_vec()));
    let long = folder.path().join("x".repeat(200));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    fs::create_dir(&not_utf8).unwrap();
    fs::create_dir(&long).unwrap();
    for bad in [missing, PathBuf::from("/proc"), not_utf8, long, file] {
        let output = runner(["-w", "2"]).stdin(JOB).with(|c| c.env("TMPDIR", &bad)).run();
        assert_eq!(output.code(), 4, "{bad:?}: {}", output.stderr);
        assert_eq!(output.text(), "", "{bad:?}: {}", output.stderr);
        assert!(output.stderr.contains("directory for temporary files"), "{}", output.stderr);
        let output = runner(["--executor", "threads"]).stdin(JOB).with(|c| c.env("TMPDIR", &bad)).run();
        assert_eq!(output.code(), 0);
        assert_eq!(output.text(), RESULT);
    }
}

#[test]
fn leaves_nothing_in_tmpdir() {
    let folder = tempfile::tempdir().unwrap();
    let output = runner(["-w", "2"]).stdin(JOB.repeat(3)).with(|c| c.env("TMPDIR", folder.path())).run();
    assert_eq!(output.code(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn few_descriptors_lead_to_results_or_a_clear_error() {
    let (jobs, expected) = gcd_jobs(2_000);
    let mut codes = Vec::new();
    for limit in [4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 32, 64] {
        let call = runner(["-w", "8"]).stdin(jobs.clone()).descriptors(limit);
        let output = call.run();
        match output.code() {
            0 => assert!(output.text() == expected, "{limit}"),
            4 | 3 => {
                assert!(
                    output.stderr.contains("descriptors") || output.stderr.contains("open files"),
                    "{}",
                    output.stderr
                );
                assert!(output.kinds().iter().all(|kind| kind == "ok" || kind == "cancelled"));
            }
            code => panic!("exit code {code} with {limit} descriptors: {}", output.stderr),
        }
        codes.push(output.code());
    }
    assert_eq!(codes.last(), Some(&0), "{codes:?}");
}

#[test]
fn the_results_do_not_overwrite_the_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let (jobs, link) = (folder.path().join("jobs"), folder.path().join("link"));
    fs::write(&jobs, JOB).unwrap();
    symlink(&jobs, &link).unwrap();
    let output = runner(["-o".as_ref(), link.as_os_str(), jobs.as_os_str()]).run();
    assert_eq!(output.code(), 2);
    assert_eq!(fs::read_to_string(&jobs).unwrap(), JOB);
}

#[test]
fn results_go_to_a_file_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    fs::write(&results, "something longer that was there before\n".repeat(9)).unwrap();
    let output = runner(["-o".as_ref(), results.as_os_str()]).stdin(JOB).run();
    assert_eq!(output.code(), 0);
    assert_eq!(output.text(), "");
    assert_eq!(fs::read_to_string(&results).unwrap(), RESULT);
    let output = runner(["-o", "/nonexistent/results"]).stdin(JOB).run();
    assert_eq!(output.code(), 3);
}

#[test]
fn standard_streams_do_not_overwrite_the_jobs_either() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = folder.path().join("jobs");
    fs::write(&jobs, JOB).unwrap();
    let read = || fs::File::open(&jobs).unwrap();
    let append = || fs::OpenOptions::new().append(true).open(&jobs).unwrap();
    for call in [
        runner(["-o".as_ref(), jobs.as_os_str()]).with(|c| c.stdin(read())),
        runner([&jobs]).with(|c| c.stdout(append())),
        runner(["-"]).with(|c| c.stdin(read()).stdout(append())),
    ] {
        assert_eq!(call.run().code(), 2);
        assert_eq!(fs::read_to_string(&jobs).unwrap(), JOB);
    }
}

/// Jobs that run programs, one of them with input.
const PROGRAMS: &str = "{\"op\":\"command\",\"argv\":[\"cat\"],\"stdin\":\"in\"}\n\
                        {\"op\":\"command\",\"argv\":[\"sh\",\"-c\",\"echo in; echo err >&2\"]}\n";

/// Checks the records of [`PROGRAMS`] where a resource is lacking: each names the resource or is correct.
fn assert_reported_or_correct(output: &end_to_end::Output, lacking: &str) {
    for record in output.records() {
        let message = record["error"]["message"].as_str().unwrap_or_default();
        match record["error"]["kind"].as_str() {
            None => assert!(record["result"]["stdout"].as_str().unwrap().starts_with("in"), "{record}"),
            Some("failed") => assert!(
                message.contains("out of processes, memory or file descriptors"),
                "{lacking}: {record}"
            ),
            Some("memory" | "cancelled") => {}
            Some(_) => panic!("with {lacking}: {record} {}", output.stderr),
        }
    }
}

/// Runs programs concurrently under many limits: too low, low, and sufficient. Returns the numbers of
/// successful and of failed jobs.
fn under_limits<L: Copy + Send + std::fmt::Debug>(
    limits: impl IntoIterator<Item = L>,
    call: impl Fn(L) -> end_to_end::Call + Sync,
) -> (usize, usize) {
    let outputs = std::thread::scope(|scope| {
        let run = |limit| {
            (
                scope.spawn({
                    let call = &call;
                    move || call(limit).stdin(PROGRAMS).run()
                }),
                limit,
            )
        };
        let runs: Vec<_> = limits.into_iter().map(run).collect();
        runs.into_iter().map(|(run, limit)| (run.join().unwrap(), limit)).collect::<Vec<_>>()
    });
    let mut counts = (0, 0);
    for (output, limit) in outputs {
        assert_reported_or_correct(&output, &format!("{limit:?}"));
        let kinds = output.kinds();
        counts.0 += kinds.iter().filter(|kind| *kind == "ok").count();
        counts.1 += kinds.iter().filter(|kind| *kind == "failed").count();
    }
    counts
}

const ARGUMENTS: [&str; 3] = ["-w", "1", "--allow-command"];

/// Returns an invocation of `runner` in this directory as a separate user with a limit on processes and
/// threads.
fn with_processes(folder: &std::path::Path, most: u64) -> end_to_end::Call {
    let limits = libc::rlimit { rlim_cur: most, rlim_max: most };
    end_to_end::Call::new(&folder.join("runner"), ARGUMENTS).with(|command| {
        command.uid(60_000 + u32::try_from(most).unwrap()).env("TMPDIR", "/tmp");
        // SAFETY: setting a limit is one system call, which is safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NPROC, &raw const limits) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        }
    })
}

/// Copies `runner` to a directory that any user can read.
fn runner_for_all_users() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    end_to_end::copy_program("runner", &folder.path().join("runner"));
    folder
}

#[test]
fn programs_without_processes_run_or_report_the_lack() {
    // The limit does not apply to root, and only root may start processes of other users.
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = runner_for_all_users();
    let (ok, failed) = under_limits(1..=14, |most| with_processes(folder.path(), most));
    assert!(ok >= 2 && failed >= 2, "{ok} jobs succeeded and {failed} failed");
}

#[test]
fn programs_wait_for_a_temporary_lack_of_processes() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = runner_for_all_users();
    // The smallest limit under which the programs run.
    let smallest = (1..=14).find(|&most| {
        let output = with_processes(folder.path(), most).stdin(PROGRAMS).run();
        output.kinds() == ["ok"; 2]
    });
    let smallest = smallest.unwrap();
    let mut others = std::process::Command::new("sleep");
    others.arg("1000").uid(60_000 + u32::try_from(smallest).unwrap());
    let mut other = others.spawn().unwrap();
    let mut run = with_processes(folder.path(), smallest).stdin(PROGRAMS).start();
    run.wait_until("the worker has started", |run| run.workers().len() == 1);
    // The worker retries until the other process is gone.
    std::thread::sleep(std::time::Duration::from_millis(300));
    other.kill().unwrap();
    other.wait().unwrap();
    let output = run.wait();
    assert_eq!(output.kinds(), ["ok"; 2], "{}", output.text());
}

#[test]
fn programs_without_descriptors_run_or_report_the_lack() {
    // A run needs more descriptors than its workers, unless it is its own worker.
    let (ok, _) = under_limits(8..40, |limit| runner(ARGUMENTS).descriptors(limit));
    assert!(ok >= 2);
    let arguments = ["--executor", "serial", "--allow-command"];
    let (ok, failed) = under_limits(4..24, |limit| runner(arguments).descriptors(limit));
    assert!(ok >= 2 && failed >= 2, "{ok} jobs succeeded and {failed} failed");
}

#[test]
fn programs_without_memory_run_or_report_the_lack() {
    let script = "{\"op\":\"command\",\"argv\":[\"sh\",\"-c\",\"grep VmSize /proc/$PPID/status\"]}\n";
    let output = runner(ARGUMENTS).stdin(script).run();
    let line = output.records()[0]["result"]["stdout"].as_str().unwrap().to_owned();
    let needed: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let limits = (0..12).map(|step| (needed + step * 512) << 10);
    let (ok, _) = under_limits(limits, |limit| {
        runner(ARGUMENTS).with(|c| c.args(["--max-memory", &limit.to_string()]))
    });
    assert!(ok >= 2, "no limit is sufficient");
}

/// Two nested control groups of version 1; the outer one has a quota in cores. Removed on drop.
struct ControlGroups(PathBuf);

impl ControlGroups {
    fn new(cores: u32) -> Option<ControlGroups> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let of_cpu =
            |line: &&str| line.split(':').nth(1).is_some_and(|all| all.split(',').any(|one| one == "cpu"));
        let own = groups.lines().find(of_cpu)?.splitn(3, ':').nth(2)?;
        let outer = PathBuf::from("/sys/fs/cgroup/cpu")
            .join(own.trim_start_matches('/'))
            .join(format!("runner-test-{}", std::process::id()));
        fs::create_dir(&outer).ok()?;
        let made = ControlGroups(outer);
        fs::create_dir(made.inner()).ok()?;
        let period: u32 = fs::read_to_string(made.0.join("cpu.cfs_period_us")).ok()?.trim().parse().ok()?;
        fs::write(made.0.join("cpu.cfs_quota_us"), (cores * period).to_string()).ok()?;
        Some(made)
    }

    fn inner(&self) -> PathBuf {
        self.0.join("inner")
    }
}

impl Drop for ControlGroups {
    fn drop(&mut self) {
        let _ = fs::remove_dir(self.inner());
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn quota_of_an_outer_control_group_is_respected() {
    let Some(groups) = ControlGroups::new(1) else {
        eprintln!("NOT RUN: cannot create a control group of version 1");
        return;
    };
    let tasks = groups.inner().join("cgroup.procs");
    let call = runner(["--dry-run"]).stdin(JOB).with(|command| {
        // SAFETY: writing a number to a file is safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(move || fs::write(&tasks, "0"))
        }
    });
    let output = call.run();
    assert!(output.stderr.contains("on 1 process,"), "{}", output.stderr);
}
