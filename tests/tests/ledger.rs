//! Time accounting: the times of all stages add up to the lifetime of each thread and worker.

use std::collections::BTreeMap;

use end_to_end::{KILL_WORKER, data_bytes, gcd_jobs, runner, shell_jobs};
use serde_json::Value;

/// Returns the output of `--stats=json` for a run of these jobs.
fn stats(arguments: &[&str], jobs: impl Into<Vec<u8>>) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stats");
    let output = runner(arguments)
        .with(|c| c.args(["-q", "--stats=json", "--stats-file"]).arg(&file))
        .stdin(jobs)
        .run();
    assert!(matches!(output.code(), 0 | 1), "{}", output.stderr);
    serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()
}

/// Checks that the stages add up to the lifetime within 2 %.
fn assert_balanced(who: &Value, stages: &Value, life: &Value) {
    let stages: BTreeMap<String, f64> = serde_json::from_value(stages.clone()).unwrap();
    let (sum, life) = (stages.values().sum::<f64>(), life.as_f64().unwrap());
    assert!((0.98..=1.02).contains(&(sum / life)), "{who}: {sum} s of {life} s: {stages:?}");
}

fn assert_all_balanced(stats: &Value) {
    for worker in stats["workers"].as_array().unwrap() {
        assert_balanced(&worker["pid"], &worker["stages_s"], &worker["life_s"]);
    }
    let threads = stats["ledger"]["threads"].as_array().unwrap();
    for name in ["intake", "writer", "clock"] {
        assert!(threads.iter().any(|thread| thread["name"] == name), "{name} is missing");
    }
    for thread in threads {
        assert_balanced(&thread["name"], &thread["stages_s"], &thread["life_s"]);
    }
}

#[test]
fn stages_of_tiny_mixed_and_large_jobs_add_up() {
    let digits = "7".repeat(100_000);
    let large = format!("{{\"op\":\"gcd\",\"a\":{digits},\"b\":{digits}}}\n").repeat(20);
    for jobs in [gcd_jobs(200_000).0.into_bytes(), data_bytes("mixed_2k.jsonl"), large.into_bytes()] {
        let stats = stats(&["-w", "2"], jobs);
        assert_all_balanced(&stats);
        let workers = &stats["ledger"]["workers_s"];
        for stage in ["decode", "run", "encode outcome", "return", "start"] {
            assert!(workers[stage].as_f64().is_some_and(|s| s > 0.0), "{stage} took no time: {workers}");
        }
        let parent = &stats["ledger"]["parent_s"];
        for stage in ["take", "encode", "send", "decode outcome", "merge", "schedule", "wait"] {
            assert!(parent[stage].as_f64().is_some_and(|s| s > 0.0), "{stage} took no time: {parent}");
        }
    }
}

#[test]
fn parser_threads_are_listed() {
    let stats = stats(&["-w", "2", "--parsers", "2"], gcd_jobs(200_000).0);
    assert_all_balanced(&stats);
    let threads = stats["ledger"]["threads"].as_array().unwrap();
    assert!(threads.iter().any(|thread| thread["name"] == "parser 0"), "{threads:?}");
}

#[test]
fn dead_worker_keeps_its_times() {
    let jobs = shell_jobs(&[KILL_WORKER, "true"]);
    let stats = stats(&["-w", "2", "--allow-command", "--retries", "1"], jobs);
    assert_all_balanced(&stats);
}

#[test]
fn busy_worker_spends_most_time_running_jobs() {
    let jobs = "{\"op\":\"sleep\",\"seconds\":0.05}\n".repeat(20);
    let stats = stats(&["-w", "2"], jobs);
    for worker in stats["workers"].as_array().unwrap() {
        let (run, life) = (worker["stages_s"]["run"].as_f64().unwrap(), worker["life_s"].as_f64().unwrap());
        assert!(run > 0.8 * life, "{run} s of {life} s");
    }
}
