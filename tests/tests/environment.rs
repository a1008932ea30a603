//! Surroundings that lack what a run needs.

#![allow(clippy::unwrap_used)]

use std::{
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt, fs::symlink, process::CommandExt},
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
        assert!(output.stderr.contains("writing the results failed"), "{}", output.stderr);
    }
    let output = runner(["-o", "/dev/full"]).stdin(JOB).run();
    assert_eq!(output.code(), 3);
}

#[test]
fn a_closed_standard_output_acts_like_dev_null() {
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
        assert_eq!((output.code(), output.text()), (0, ""), "{}", output.stderr);
    }
}

#[test]
fn a_closed_standard_error_is_no_error() {
    let output = runner(["--stats"]).stdin(format!("5\n{JOB}")).with(|c| c.stderr(Stdio::null())).run();
    assert_eq!(output.code(), 1);
}

#[test]
fn a_useless_tmpdir_is_told_and_threads_need_none() {
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
        assert_eq!((output.code(), output.text()), (4, ""), "{bad:?}: {}", output.stderr);
        assert!(output.stderr.contains("directory for temporary files"), "{}", output.stderr);
        let output = runner(["--executor", "threads"]).stdin(JOB).with(|c| c.env("TMPDIR", &bad)).run();
        assert_eq!((output.code(), output.text()), (0, RESULT));
    }
}

#[test]
fn nothing_stays_in_tmpdir() {
    let folder = tempfile::tempdir().unwrap();
    let output = runner(["-w", "2"]).stdin(JOB.repeat(3)).with(|c| c.env("TMPDIR", folder.path())).run();
    assert_eq!(output.code(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn few_descriptors_give_results_or_a_clear_error() {
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
    assert_eq!((output.code(), output.text()), (0, ""));
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
