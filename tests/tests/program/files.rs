//! Inputs and outputs that are the same file, and outputs of rejected runs.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
};

use end_to_end::{Call, copy_program};

use super::folder::{EARLIER, Folder, RECORD, expect_refusal};

#[test]
fn outputs_must_differ_from_other_files_of_the_run() {
    let folder = Folder::new();
    for name in ["results", "stats", "trace"] {
        folder.put(name, EARLIER);
    }
    fs::hard_link(folder.path("jobs"), folder.path("hard")).unwrap();
    symlink("jobs", folder.path("link")).unwrap();
    symlink("missing", folder.path("dangling")).unwrap();
    for (arguments, names) in [
        (&["--stats", "--stats-file", "jobs", "jobs"][..], ["--stats-file jobs", "input jobs"]),
        (&["--stats", "--stats-file", "hard", "jobs"], ["--stats-file hard", "input jobs"]),
        (&["--stats", "--stats-file", "link", "jobs"], ["--stats-file link", "input jobs"]),
        (&["--trace", "hard", "link"], ["--trace hard", "input link"]),
        (&["-o", "link", "hard"], ["--output link", "input hard"]),
        (&["--journal", "link", "jobs"], ["--journal link", "input jobs"]),
        (&["-o", "results", "--stats", "--stats-file", "results", "jobs"], ["--output", "--stats-file"]),
        (&["--trace", "stats", "--stats", "--stats-file", "./stats", "jobs"], ["--trace", "--stats-file"]),
        (&["--trace", "./results", "-o", "results", "jobs"], ["--trace ./results", "--output results"]),
        // Files that do not exist, and a link to one.
        (&["--trace", "./new", "-o", "new", "jobs"], ["--trace ./new", "--output new"]),
        (&["--journal", "new", "--stats", "--stats-file", "new", "jobs"], ["--journal", "--stats-file"]),
        (&["--journal", "new", "-o", "./new", "jobs"], ["--journal new", "--output ./new"]),
        (&["--trace", "dangling", "-o", "missing", "jobs"], ["--trace dangling", "--output missing"]),
        (&["--dry-run", "--trace", "./new", "-o", "new", "jobs"], ["--trace ./new", "--output new"]),
        (&["-o", "trace", "--worker-bin", "trace", "jobs"], ["--output trace", "--worker-bin trace"]),
    ] {
        folder.expect_refused(folder.runner(arguments), names);
    }
}

#[test]
fn statistics_do_not_overwrite_the_journal() {
    let folder = Folder::new();
    let run =
        |more: &[&str]| folder.runner(&[&["jobs", "--journal", "journal", "--resume"][..], more].concat());
    assert_eq!(run(&[]).run().code(), 0);
    folder.expect_refused(run(&["--stats", "--stats-file", "journal"]), ["--journal", "--stats-file"]);
    assert_eq!(run(&[]).run().text(), RECORD);
}

#[test]
fn outputs_must_differ_from_standard_streams() {
    let folder = Folder::new();
    folder.put("stream", EARLIER);
    let append = || folder.append("stream");
    let read = || File::open(folder.path("stream")).unwrap();
    for (arguments, names) in [
        (&["--trace", "stream", "jobs"][..], ["--trace stream", "standard output"]),
        (&["--stats", "--stats-file", "stream", "jobs"], ["--stats-file stream", "standard output"]),
        (&["--journal", "stream", "--resume", "jobs"], ["--journal stream", "standard output"]),
        (&["-o", "/dev/stdout", "jobs"], ["--output /dev/stdout", "standard output"]),
        (&["stream"], ["input stream", "standard output"]),
        (&["advise", "stream"], ["input stream", "standard output"]),
        (&["bench", "--json", "stream"], ["--json stream", "standard output"]),
    ] {
        folder.expect_refused(folder.runner(arguments).with(|c| c.stdout(append())), names);
    }
    // Standard error is the file itself, so the message is appended to it.
    for arguments in [&["-o", "stream", "jobs"][..], &["--trace", "/dev/stderr", "jobs"], &["stream"]] {
        folder.put("stream", EARLIER);
        let output = folder.runner(arguments).with(|c| c.stderr(append())).run();
        assert_eq!(output.code(), 2, "{arguments:?}");
        assert_eq!(output.text(), "", "{arguments:?}");
        let text = folder.text("stream");
        assert!(text.starts_with(EARLIER) && text.contains("standard error"), "{text}");
    }
    folder.put("stream", EARLIER);
    for arguments in [&["-o", "stream"][..], &["-o", "stream", "jobs"]] {
        let call = folder.runner(arguments).with(|c| c.stdin(read()));
        folder.expect_refused(call, ["--output stream", "standard input"]);
    }
    // One file for both streams is allowed, and so are devices.
    let (both, again) = (folder.append("both"), folder.append("both"));
    let call = folder.runner(&["jobs"]).with(|c| c.stdout(both).stderr(again));
    assert_eq!(call.run().code(), 0);
    assert!(folder.text("both").starts_with(RECORD));
    let call = folder.runner(&["-o", "/dev/null", "--stats", "--stats-file", "/dev/null", "/dev/null"]);
    assert_eq!(call.run().code(), 0);
    let output =
        folder.runner(&["--stats", "--stats-file", "/dev/stderr", "-o", "/dev/stdout", "jobs"]).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), RECORD, "{}", output.stderr);
    assert!(output.stderr.contains("worker"), "{}", output.stderr);
}

#[test]
fn outputs_do_not_overwrite_the_running_program() {
    let folder = Folder::new();
    let copy = folder.path("copy");
    copy_program("runner", &copy);
    for arguments in [&["-o", "copy", "jobs"][..], &["--trace", "copy", "jobs"], &["bench", "--csv", "copy"]]
    {
        let call = Call::new(&copy, arguments).with(|c| c.current_dir(folder.0.path()));
        folder.expect_refused(call, [" copy", "the running program"]);
    }
}

#[test]
fn outputs_of_a_benchmark_must_differ() {
    let folder = Folder::new();
    folder.put("x", EARLIER);
    fs::create_dir(folder.path("pictures")).unwrap();
    for (arguments, names) in [
        (&["--json", "x", "--csv", "x"][..], ["--json x", "--csv x"]),
        (&["--json", "new", "--html", "./new"], ["--json new", "--html ./new"]),
        (&["--csv", "pictures/batches.svg", "--svg", "pictures"], ["--csv", "--svg"]),
    ] {
        folder.expect_refused(folder.runner(&[&["bench", "--quick"][..], arguments].concat()), names);
        assert_eq!(fs::read_dir(folder.path("pictures")).unwrap().count(), 0);
    }
    symlink(folder.path("x"), folder.path("pictures/model.svg")).unwrap();
    symlink(folder.path("x"), folder.path("pictures/ledger.svg")).unwrap();
    folder
        .expect_refused(folder.runner(&["bench", "--json", "x", "--svg", "pictures"]), ["--json x", "--svg"]);
    // A directory that was created in vain is removed.
    let output = folder.runner(&["bench", "--csv", "x", "--json", "./x", "--svg", "new/folder"]).run();
    expect_refusal(&output, ["--csv", "--json"]);
    let output = folder.runner(&["bench", "--csv", "pictures/none/x", "--svg", "new/folder"]).run();
    assert_eq!(output.code(), 3);
    assert!(!(folder.path("new").exists()));
}

#[test]
fn factor_and_gcd_reject_reading_their_output() {
    let folder = Folder::new();
    folder.put("numbers", "12\n");
    for front in ["factor", "gcd"] {
        let input = File::open(folder.path("numbers")).unwrap();
        let call = folder.runner(&[front]).with(|c| c.stdin(input).stdout(folder.append("numbers")));
        let output = call.run();
        assert_eq!(output.code(), 1, "{}", output.stderr);
        assert!(output.stderr.starts_with(&format!("{front}: standard input and")), "{}", output.stderr);
        assert_eq!(folder.text("numbers"), "12\n");
    }
    // An empty file, as truncated by a shell.
    let (input, output) = (folder.append("empty"), folder.append("empty"));
    drop(input);
    let input = File::open(folder.path("empty")).unwrap();
    assert_eq!(folder.runner(&["factor"]).with(|c| c.stdin(input).stdout(output)).run().code(), 0);
}

#[test]
fn rejected_run_does_not_change_its_outputs() {
    let folder = Folder::new();
    let names = ["results", "stats", "trace"];
    folder.put("busy", EARLIER);
    let outputs = ["-o", "results", "--stats", "--stats-file", "stats", "--trace", "trace"];
    let refusals: [(&[&str], i32); 6] = [
        (&["missing"], 3),
        (&["."], 3),
        (&["jobs", "--journal", "busy"], 5),
        (&["jobs", "--journal", "/dev/null"], 5),
        (&["jobs", "--journal", "results"], 2),
        (&["jobs", "--trace", "no/such/folder/trace"], 3),
    ];
    for is_there in [true, false] {
        for name in names {
            if is_there {
                folder.put(name, EARLIER);
            } else {
                fs::remove_file(folder.path(name)).unwrap();
            }
        }
        let before = folder.content();
        for (arguments, code) in refusals {
            let outputs = if arguments.contains(&"--trace") { &outputs[..5] } else { &outputs[..] };
            let output = folder.runner(&[outputs, arguments].concat()).run();
            assert_eq!(output.code(), code, "{arguments:?}: {}", output.stderr);
            assert_eq!(output.text(), "", "{arguments:?}: {}", output.stderr);
            assert!(folder.content() == before, "{arguments:?}: {:?}", folder.content());
        }
        let call = folder.runner(&[&outputs[..], &["jobs", "--journal", "new"]].concat());
        assert_eq!(call.with(|c| c.env("TMPDIR", "/no/such/folder")).run().code(), 4);
        assert!(folder.content() == before, "{:?}", folder.content());
        // Without the feature `cluster` the option is unknown, which also rejects the run.
        let cluster = ["--cluster", "nats://127.0.0.1:1", "--queue", "q", "--cluster-timeout", "0.2", "jobs"];
        let output = folder.runner(&[&outputs[..5], &cluster].concat()).run();
        assert!([2, 4].contains(&output.code()), "{}", output.stderr);
        assert!(folder.content() == before, "{:?}", folder.content());
    }
}

#[test]
fn dry_run_checks_its_outputs_and_leaves_nothing() {
    let folder = Folder::new();
    folder.put("results", EARLIER);
    let before = folder.content();
    let output =
        folder.runner(&["--dry-run", "-o", "results", "--trace", "new", "--journal", "j", "jobs"]).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(folder.runner(&["--dry-run", "-o", "no/such/folder/file", "jobs"]).run().code(), 3);
    assert!(folder.content() == before);
}

#[test]
fn dash_means_standard_output_where_allowed() {
    let folder = Folder::new();
    let before = folder.content();
    assert_eq!(folder.runner(&["-o", "-", "jobs"]).run().text(), RECORD);
    assert_eq!(
        folder.runner(&["-o", "-", "--stats", "--stats-file", "/dev/stderr", "jobs"]).run().text(),
        RECORD
    );
    let output = folder.runner(&["-o", "results", "--stats=json", "--stats-file", "-", "jobs"]).run();
    let stats: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((stats["jobs"].as_u64(), folder.text("results").as_str()), (Some(1), RECORD));
    fs::remove_file(folder.path("results")).unwrap();
    for refused in [
        &["--journal", "-", "jobs"][..],
        &["--trace", "-", "jobs"],
        &["--stats", "--stats-file", "-", "jobs"],
        &["-o", "-", "--stats", "--stats-file", "-", "jobs"],
        &["bench", "--json", "-", "--html", "-"],
        &["bench", "--svg", "-"],
    ] {
        let output = folder.runner(refused).run();
        assert_eq!(output.code(), 2, "{refused:?}: {}", output.stderr);
        assert_eq!(output.text(), "", "{refused:?}: {}", output.stderr);
        assert!(!output.stderr.is_empty());
    }
    assert!(folder.content() == before, "{:?}", folder.content());
    assert_eq!(folder.runner(&["-o", "./-", "jobs"]).run().text(), "");
    assert_eq!(folder.text("-"), RECORD);
}

#[test]
fn rejected_runs_do_not_remove_the_journal_of_another_run() {
    let folder = Folder::new();
    // Many rejected runs beside one that succeeds: its journal exists at the end however they interleave.
    for _ in 0..10 {
        let refused: Vec<_> = (0..4)
            .map(|_| folder.runner(&["jobs", "--journal", "j", "-o", "/no/such/folder/file"]).start())
            .collect();
        let output = folder.runner(&["jobs", "--journal", "j", "--executor", "serial"]).run();
        refused.into_iter().for_each(|run| assert!([3, 5].contains(&run.wait().code())));
        match output.code() {
            0 => fs::remove_file(folder.path("j")).unwrap(),
            code => assert_eq!(code, 5, "{}", output.stderr),
        }
        assert!(!folder.path("j").exists());
    }
}
