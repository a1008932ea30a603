//! The timeline is well-formed and correct.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use end_to_end::{KILL_WORKER, Output, gcd_jobs, runner, shell_jobs};
use nix::sys::signal::Signal;
use serde_json::Value;

/// The events of a file, checked to be well-formed.
struct Timeline {
    events: Vec<Value>,
    about: Value,
}

/// A slice: start and end in nanoseconds, and the event.
type Slice<'a> = (u64, u64, &'a Value);

impl Timeline {
    fn read(file: &Path) -> Timeline {
        let whole: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(whole["displayTimeUnit"], "ns");
        let events = whole["traceEvents"].as_array().unwrap().clone();
        let timeline = Timeline { events, about: whole["otherData"].clone() };
        timeline.events.iter().for_each(assert_well_formed);
        timeline.assert_lines_are_consistent();
        timeline.assert_arrows_are_consistent();
        timeline
    }

    /// Returns the events of each line, in the order of the file.
    fn lines(&self) -> BTreeMap<(u64, u64), Vec<&Value>> {
        let mut lines: BTreeMap<(u64, u64), Vec<&Value>> = BTreeMap::new();
        for event in &self.events {
            lines.entry(line(event)).or_default().push(event);
        }
        lines
    }

    /// Checks that on each line the events are sorted by time, slices are nested or disjoint, and the line
    /// has a name.
    fn assert_lines_are_consistent(&self) {
        for (line, events) in self.lines() {
            let moments: Vec<u64> = events.iter().map(|event| nanos(&event["ts"])).collect();
            assert!(moments.is_sorted(), "{line:?}");
            let mut around: Vec<Slice<'_>> = Vec::new();
            for (from, to, event) in events.iter().filter_map(|event| slice(event)) {
                while around.last().is_some_and(|&(_, end, _)| end <= from) {
                    around.pop();
                }
                let fits = around.last().is_none_or(|&(_, end, _)| to <= end);
                assert!(fits, "{event} exceeds {:?}", around.last());
                around.push((from, to, event));
            }
            let named = |name| events.iter().any(|event| event["ph"] == "M" && event["name"] == name);
            assert!(named("thread_name"), "{line:?} has no name");
            assert!(named("process_name") || line.0 != line.1, "{line:?} has no name");
        }
    }

    /// Checks that arrows connect slices forward in time.
    fn assert_arrows_are_consistent(&self) {
        let lines = self.lines();
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        let mut points: Vec<&Value> =
            self.events.iter().filter(|event| ["s", "t", "f"].contains(&kind(event))).collect();
        points.sort_by_key(|event| nanos(&event["ts"]));
        for point in points {
            let (at, id) = (nanos(&point["ts"]), point["id"].as_u64().unwrap());
            let mut slices = lines[&line(point)].iter().filter_map(|event| slice(event));
            assert!(slices.any(|(from, to, _)| from <= at && at <= to), "{point} is in no slice");
            match kind(point) {
                "s" => assert_eq!(last.insert(id, at), None, "{point} begins twice"),
                _ => assert!(
                    last.insert(id, at).is_some_and(|before| before <= at),
                    "{point} has no start before it"
                ),
            }
        }
    }

    fn of(&self, category: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["cat"] == category).collect()
    }

    /// Returns the number of jobs in the batches on the workers' lines.
    fn jobs(&self) -> u64 {
        self.of("run").iter().map(|run| run["args"]["jobs"].as_u64().unwrap()).sum()
    }

    /// Returns the names of processes by their id.
    fn processes(&self) -> BTreeMap<u64, &str> {
        let names = self.events.iter().filter(|event| event["name"] == "process_name");
        names.map(|event| (event["pid"].as_u64().unwrap(), event["args"]["name"].as_str().unwrap())).collect()
    }

    fn counters(&self, name: &str) -> Vec<u64> {
        let counters = self.events.iter().filter(|event| kind(event) == "C" && event["name"] == name);
        counters.map(|event| event["args"]["value"].as_u64().unwrap()).collect()
    }
}

fn kind(event: &Value) -> &str {
    event["ph"].as_str().unwrap()
}

fn line(event: &Value) -> (u64, u64) {
    (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap())
}

fn nanos(micros: &Value) -> u64 {
    (micros.as_f64().unwrap() * 1000.0).round() as u64
}

fn slice(event: &Value) -> Option<Slice<'_>> {
    let from = nanos(&event["ts"]);
    (kind(event) == "X").then(|| (from, from + nanos(&event["dur"]), event))
}

fn assert_well_formed(event: &Value) {
    let whole = event["pid"].is_u64() && event["tid"].is_u64() && event["name"].is_string();
    assert!(whole && event["ts"].as_f64().is_some_and(|ts| ts >= 0.0), "{event}");
    let more = match kind(event) {
        "X" => event["dur"].as_f64().is_some_and(|dur| dur >= 0.0),
        "C" => event["args"].as_object().is_some_and(|args| args.values().all(Value::is_u64)),
        "M" => event["args"].is_object(),
        "i" => event["s"] == "t",
        "s" => event["id"].is_u64(),
        "t" | "f" => event["id"].is_u64() && event["bp"] == "e",
        _ => false,
    };
    assert!(more, "{event}");
}

/// Runs jobs with a timeline and `--stats`, and checks that both list the same workers.
fn traced(arguments: &[&str], jobs: impl Into<Vec<u8>>) -> (Timeline, Output) {
    let folder = tempfile::tempdir().unwrap();
    let (file, stats) = (folder.path().join("trace"), folder.path().join("stats"));
    let call = runner(arguments).with(|c| c.args(["-q", "--stats=json", "--stats-file"]).arg(&stats));
    let output = call.with(|c| c.arg("--trace").arg(&file)).stdin(jobs).run();
    assert!(matches!(output.code(), 0 | 1), "{}", output.stderr);
    let timeline = Timeline::read(&file);
    let stats: Value = serde_json::from_slice(&fs::read(&stats).unwrap()).unwrap();
    let processes = timeline.processes();
    for worker in stats["workers"].as_array().unwrap() {
        let name = format!("worker {}.{}", worker["slot"], worker["generation"]);
        assert_eq!(processes.get(&worker["pid"].as_u64().unwrap()), Some(&name.as_str()));
    }
    assert_eq!(processes.len(), stats["workers"].as_array().unwrap().len() + 1, "workers and the parent");
    (timeline, output)
}

#[test]
fn death_and_restart_are_on_the_timeline() {
    let mut scripts = vec!["true"; 20];
    scripts[7] = KILL_WORKER;
    // There is always work left for another worker.
    scripts[19] = "sleep 1";
    let (timeline, output) = traced(&["-w", "2", "--allow-command", "--retries", "1"], shell_jobs(&scripts));
    assert_eq!(output.kinds().iter().filter(|kind| *kind == "crashed").count(), 1);
    assert_eq!(timeline.jobs(), 19, "jobs with an outcome");

    // A worker that is still starting when the run ends is stopped, which is not a death.
    let is_death = |end: &&Value| end["name"].as_str().unwrap().starts_with("death: ");
    let deaths = || timeline.of("end").into_iter().filter(is_death);
    let on_workers: BTreeSet<u64> =
        deaths().map(line).filter(|line| line.0 == line.1).map(|line| line.0).collect();
    assert_eq!(on_workers.len(), 2, "the job killed two workers");
    for death in deaths() {
        let cause = death["args"]["cause"].as_str().unwrap();
        assert!(
            death["name"].as_str().unwrap().contains(cause) && cause.ends_with("by signal 9 (SIGKILL)"),
            "{death}"
        );
    }
    assert_eq!(deaths().count(), 4, "one on the line of the worker, one on that of the slot");
    let died_in: Vec<&Value> =
        timeline.of("run").into_iter().filter(|run| run["args"]["died_in"] == 7).collect();
    assert_eq!(died_in.len(), 2);
    assert!(died_in.iter().all(|run| run["name"].as_str().unwrap().ends_with("died in job 7")));

    let restarts = timeline.of("restart");
    assert!(!restarts.is_empty());
    for restart in restarts {
        let name = timeline.processes()[&line(restart).0];
        assert_eq!(restart["args"]["worker"], name);
        assert!(!name.ends_with(".0"), "{restart}");
    }
    assert_eq!(timeline.counters("jobs under way").last(), Some(&0));
    assert_eq!(timeline.counters("workers").last(), Some(&0));
}

#[test]
fn jobs_are_on_the_line_of_their_worker() {
    let (timeline, _) = traced(&["-w", "2"], "{\"op\":\"sleep\",\"seconds\":0.05}\n5\n".repeat(8));
    assert_eq!(timeline.jobs(), 8);
    let jobs: Vec<Slice<'_>> = timeline.of("job").into_iter().filter_map(slice).collect();
    let names: BTreeSet<&str> = jobs.iter().map(|(_, _, job)| job["name"].as_str().unwrap()).collect();
    let wanted: Vec<String> = (0..8).map(|place| format!("job {}", 2 * place)).collect();
    assert_eq!(names, wanted.iter().map(String::as_str).collect(), "the default ids of the records");
    for (from, to, job) in jobs {
        assert!((50_000_000..200_000_000).contains(&(to - from)), "{job}");
    }
    let waits = timeline.of("wait");
    assert!(waits.iter().all(|wait| kind(wait) == "X") && !waits.is_empty());
    assert_eq!(timeline.of("send").len(), timeline.of("receive").len());
}

#[test]
fn timeline_of_many_jobs_is_complete_or_reports_its_sampling() {
    let (jobs, records) = gcd_jobs(200_000);
    let (timeline, output) = traced(&["-w", "2"], jobs);
    assert_eq!(output.text(), records);
    let number = |name: &str| timeline.about[name].as_u64().unwrap();
    let (batches, jobs_of) = (number("batches_shown_one_of"), number("jobs_shown_in_one_batch_of"));
    let shown: BTreeSet<u64> =
        timeline.of("run").iter().map(|run| run["args"]["batch"].as_u64().unwrap()).collect();
    assert!(shown.iter().all(|batch| batch % batches == 0));
    assert_eq!(shown.len() as u64, number("batches").div_ceil(batches));
    assert!(batches > 1 || timeline.jobs() == 200_000, "{} jobs", timeline.jobs());
    assert!(jobs_of > 1, "200,000 jobs and their batches exceed the limit");
    let slices = timeline.events.iter().filter(|event| kind(event) == "X").count() as u64;
    assert!(slices <= number("most_slices") + 10, "{slices} slices");
}

#[test]
fn interrupted_run_writes_a_complete_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    let sleepers =
        "{\"op\":\"sum\",\"n\":4}\n{\"op\":\"sleep\",\"seconds\":1000}\n{\"op\":\"sum\",\"n\":4}\n";
    let call = runner(["-w", "1", "--batch", "1", "--trace"]).with(|c| c.arg(&file)).stdin(sleepers);
    let mut run = call.start();
    run.wait_until("a worker has started", |run| run.workers().len() == 1);
    run.wait_until_idle();
    run.signal(Signal::SIGINT);
    assert_eq!(run.wait().signal(), 2);

    let timeline = Timeline::read(&file);
    assert_eq!(timeline.jobs(), 1);
    let last = timeline.of("run").pop().unwrap();
    assert_eq!(last["args"]["died_in"], 1, "{last}");
    assert!(nanos(&last["dur"]) > 2_000_000_000, "the grace period for running jobs: {last}");
}

#[test]
fn failed_start_is_on_the_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    let call = runner(["-w", "1", "--worker-bin", "/bin/false", "--trace"]).with(|c| c.arg(&file));
    assert_eq!(call.stdin("{\"op\":\"sum\",\"n\":4}\n").run().code(), 4);
    let timeline = Timeline::read(&file);
    let failed = timeline.of("end");
    assert!(failed.iter().all(|end| end["name"].as_str().unwrap().starts_with("start failed: ")));
    assert!(failed.len() >= 5, "{failed:?}");
}

#[test]
fn invalid_trace_options_are_rejected_before_jobs_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let job = "{\"op\":\"sum\",\"n\":4}\n";
    fs::write(path("jobs"), job).unwrap();
    fs::write(path("results"), "precious").unwrap();
    let (jobs, results, new) = (&*path("jobs"), &*path("results"), &*path("new"));
    for (arguments, code, message) in [
        (&["--executor", "threads", "--trace", new, jobs][..], 2, "--trace requires worker processes"),
        (&["--executor", "serial", "--trace", new, jobs], 2, "--trace requires worker processes"),
        (&["--trace", "-", jobs], 2, "expected a file"),
        (&["--trace", jobs, jobs], 2, "choose another file for the timeline"),
        (&["--trace", results, "-o", results, jobs], 2, "choose another file for the timeline"),
        (&["--trace", new, "-o", new, jobs], 2, "choose another file for the timeline"),
        (&["--trace", &path("no/such/folder"), jobs], 3, "for the timeline: No such file"),
        (&["--trace", "/dev/full", jobs], 3, "cannot write the timeline: No space left"),
    ] {
        let output = runner(arguments).run();
        assert_eq!(output.code(), code, "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains(message), "{arguments:?}: {}", output.stderr);
    }
    assert_eq!(
        (fs::read_to_string(jobs).unwrap(), fs::read_to_string(results).unwrap()),
        (job.into(), "precious".into())
    );
    assert!(!Path::new(new).exists());
}
