//! Runs on a cluster print the same bytes as local runs.

use std::{env, fs};

use end_to_end::{
    KILL_WORKER, data, data_bytes, gcd_jobs,
    nats::{Nats, read_lines},
    runner, shell_jobs,
};
use nix::sys::signal::Signal;

/// Returns the number of short jobs; a million with `RUNNER_LONG=1`.
fn many() -> u64 {
    if env::var_os("RUNNER_LONG").is_some() { 1_000_000 } else { 60_000 }
}

#[test]
fn three_nodes_print_the_output_of_a_local_run() {
    let Some(nats) = Nats::start() else { return };
    let nodes = [nats.node(&["-w", "1"]), nats.node(&["-w", "1"]), nats.node(&["-w", "1"])];
    let mixed = data("mixed_2k.jsonl");
    let output = nats.call(&[mixed.to_str().unwrap()]).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.stdout, data_bytes("mixed_2k.expected.jsonl"), "{}", output.stderr);
    let (jobs, expected) = gcd_jobs(many());
    let output = nats.call(&["--run-id", "gcds"]).stdin(jobs.clone()).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == expected, "the output differs");
    assert!(output.stderr.contains("run gcds on queue q"), "{}", output.stderr);
    // The second time, the results are read from the queue.
    let again = nats.call(&["--run-id", "gcds"]).stdin(jobs).run();
    assert!(again.text() == expected, "the output differs");
    assert!(again.stderr.contains(&format!("the results of {} jobs", many())), "{}", again.stderr);
    let mut done = 0;
    for node in nodes {
        let (output, log) = node.end(Signal::SIGTERM);
        assert_eq!(output.signal(), Signal::SIGTERM as i32, "{log}");
        assert!(log.contains("0 redelivered, 0 too late, 0 handed back, 0 quarantined"), "{log}");
        let words = log.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
        done += words[words.iter().position(|&word| word == "jobs").unwrap() - 1].parse::<u64>().unwrap();
    }
    assert_eq!(done, many() + 2000, "each job ran once");
}

#[test]
fn failures_have_the_same_records_as_in_a_local_run() {
    let Some(nats) = Nats::start() else { return };
    let jobs = [
        "{\"op\":\"sum\",\"n\":4,\"id\":\"four\"}\n{\"op\":\"factorize\",\"n\":0}\nno job\n",
        &shell_jobs(&["exit 3", KILL_WORKER]),
        "{\"op\":\"command\",\"argv\":[\"sleep\",\"100\"],\"timeout\":0.2}\n",
        "{\"op\":\"sleep\",\"seconds\":50,\"timeout\":0.2}\n",
    ]
    .concat();
    let own = ["--retries", "1", "--allow-command"];
    let node = nats.node(&[&own[..], &["-w", "1"]].concat());
    let far = nats.call(&[]).stdin(jobs.clone()).run();
    let near = runner([&own[..], &["-w", "1"]].concat()).stdin(jobs).run();
    assert_eq!((far.code(), near.code()), (1, 1), "{}", far.stderr);
    let without_pids = |output: &end_to_end::Output| {
        let mut records = output.records();
        records
            .iter_mut()
            .filter_map(|record| record.get_mut("error")?.get_mut("pid"))
            .for_each(|pid| *pid = 0.into());
        records
    };
    assert_eq!(without_pids(&far), without_pids(&near));
    assert_eq!(far.kinds(), ["ok", "invalid", "invalid", "ok", "crashed", "timeout", "timeout"]);
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn commands_need_permission_of_the_node_and_see_no_secrets() {
    let script = "echo $RUNNER_CLUSTER_TOKEN$RUNNER_CLUSTER_PASSWORD";
    let Some(nats) = Nats::start_with(&["-js"], "authorization { token: sesame }") else { return };
    let with_token = |call: end_to_end::Call| call.with(|c| c.env("RUNNER_CLUSTER_TOKEN", "sesame"));
    let node = |arguments: &[&str]| {
        let call = with_token(nats.call(&[&["node", "-w", "1"], arguments].concat()));
        end_to_end::nats::Node::start(call, nats.path("").as_path())
    };
    let refusing = node(&[]);
    let output = with_token(nats.call(&[])).stdin(shell_jobs(&[script])).run();
    assert_eq!(output.kinds(), ["failed"]);
    drop(refusing.end(Signal::SIGTERM));
    let allowing = node(&["--allow-command"]);
    let output = with_token(nats.call(&[])).stdin(shell_jobs(&[script])).run();
    assert_eq!(output.records()[0]["result"]["stdout"], "\n");
    drop(allowing.end(Signal::SIGTERM));
}

#[test]
fn messages_above_the_servers_limit_are_sent_in_chunks() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1", "--allow-command", "--max-output", "8M"]);
    let long = "x".repeat(3 << 20);
    let job = serde_json::json!({"op": "command", "argv": ["cat"], "stdin": long}).to_string();
    let input = format!("{job}\n{{\"op\":\"sum\",\"n\":4}}\n{job}\n");
    for _ in 0..2 {
        let output = nats.call(&["--run-id", "large"]).stdin(input.clone()).run();
        assert_eq!(output.kinds(), ["ok"; 3], "{}", output.stderr);
        assert!(output.records().iter().step_by(2).all(|record| record["result"]["stdout"] == long));
    }
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn killed_submitter_can_be_resumed() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "2"]);
    let count = 3_000;
    let sleepers: String = (0..count).map(|_| "{\"op\":\"sleep\",\"seconds\":0.001}\n").collect();
    let expected: String =
        (0..count).map(|id| format!("{{\"id\":{id},\"ok\":true,\"result\":0.001}}\n")).collect();
    let file = nats.path("jobs");
    fs::write(&file, &sleepers).unwrap();
    let call = || nats.call(&["--run-id", "twice", file.to_str().unwrap()]);
    let mut run = call().start_raw();
    read_lines(&mut run, 300);
    run.signal(Signal::SIGKILL);
    drop(run.wait());
    let output = call().run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == expected, "{}", output.stderr);
    // No job has been published twice: the number of stored results equals the number of jobs.
    let status = nats.status();
    let stored = (&status["runs"][0]["stored_jobs"], &status["runs"][0]["waiting_jobs"]);
    assert_eq!(stored, (&count.into(), &0.into()), "{status}");
    let (_, log) = node.end(Signal::SIGTERM);
    assert!(log.contains(&format!("stopped: {count} jobs")), "{log}");
}

#[test]
fn run_is_not_resumed_with_other_jobs() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    let (jobs, _) = gcd_jobs(100);
    let (fewer, _) = gcd_jobs(50);
    let run = |jobs: &str| nats.call(&["--run-id", "r"]).stdin(jobs).run();
    assert_eq!(run(&jobs).code(), 0);
    let stored = nats.status()["runs"][0].clone();
    let output = run(&fewer);
    assert_eq!(output.code(), 4);
    assert!(
        output.stderr.contains("has jobs up to 99, but the input ended after 50 jobs"),
        "{}",
        output.stderr
    );
    let output = run(&jobs.replace("\"gcd\"", "\"gcd\",\"method\":\"trial\""));
    assert_eq!(output.code(), 4);
    assert!(output.stderr.contains("job 0 differs from the one stored for run r"), "{}", output.stderr);
    assert_eq!(nats.status()["runs"][0], stored, "nothing was published");
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn programs_of_user_defined_ops_run_on_nodes_that_define_them() {
    let Some(nats) = Nats::start() else { return };
    let input: String = (1..=200).map(|n| format!("{n}\n")).collect();
    let define = ["--define", "sq=sh -c 'while read -r x; do echo $((x * x)); done'", "--protocol", "text"];
    let _node = nats.node(&define);
    let each = ["each", "--cluster", &nats.url(), "--queue", "q", "--op", "sq"];
    let output = runner(each).stdin(input).run();
    let squares: String = (1..=200).map(|n| format!("{}\n", n * n)).collect();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), squares.as_str(), "{}", output.stderr);
}

#[test]
fn undefined_op_is_named_after_the_last_attempt() {
    let Some(nats) = Nats::start() else { return };
    let _node = nats.node(&["--max-deliveries", "2"]);
    let output = nats.call(&["--define", "sq", "--op", "sq"]).stdin("1\n").run();
    assert_eq!(output.kinds(), ["failed"], "{}", output.stderr);
    assert!(output.text().contains("op `sq` is not defined"), "{}", output.text());
}

#[test]
fn batch_moves_to_a_node_that_defines_the_op() {
    let Some(nats) = Nats::start() else { return };
    let without = nats.node(&["-w", "1"]);
    let run = nats.call(&["--define", "sq", "--op", "sq"]).stdin("7\n").start();
    without.wait_for_log("is not defined here");
    let _with =
        nats.node(&["-w", "1", "--define", r#"sq=sh -c 'while read -r x; do echo "{\"result\":$x}"; done'"#]);
    let output = run.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), "{\"id\":0,\"ok\":true,\"result\":7}\n", "{}", output.stderr);
}
