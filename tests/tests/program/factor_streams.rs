//! `runner factor` over time: conversations, workers that die, signals, memory.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::ChildStdin,
    sync::mpsc,
    thread,
    time::Duration,
};

use end_to_end::{Call, Running, runner, workers};

/// A conversation with it: what it writes is read by a thread, so that waiting for it can end.
struct Talk {
    running: Running,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Talk {
    fn start(call: Call) -> Talk {
        let mut running = call.stdin("").start_bare();
        let stdin = running.child.stdin.take();
        let stdout = BufReader::new(running.child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Talk { running, stdin, lines }
    }

    fn say(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn hear(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("an answer comes before more is said")
    }
}

#[test]
fn a_line_is_answered_before_the_next_is_written() {
    let mut talk = Talk::start(runner(["factor"]));
    for (said, heard) in [
        ("12\n", vec!["12: 2 2 3"]),
        ("15 16\n17", vec!["15: 3 5", "16: 2 2 2 2"]),
        ("0\n", vec!["170: 2 5 17"]),
        // Too dear to be done by the process that reads.
        (
            "680564733851161477221389565825768226801\n18\n",
            vec![
                "680564733851161477221389565825768226801: 1099511627791 618970019642690137449562111",
                "18: 2 3 3",
            ],
        ),
        ("19 ", vec!["19: 19"]),
    ] {
        talk.say(said);
        heard.into_iter().for_each(|line| assert_eq!(talk.hear(), line));
    }
    talk.stdin = None;
    assert_eq!(talk.running.wait().code(), 0);
}

/// The processor time of a process, in ticks.
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    fields.get(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// RSA-129: it takes a worker longer than any test.
const HARD: &str = "114381625757888867669235779976146612010218296721242362562561842935706935245733897830597123563958705058989075147599290026879543541";

#[test]
fn a_number_that_kills_its_worker_is_named_and_the_rest_goes_on() {
    let mut talk = Talk::start(runner(["factor"]).with(|c| c.env("RUNNER_WORKERS", "2")));
    let mut stderr = talk.running.child.stderr.take().unwrap();
    talk.say(&format!("11 {HARD} 12\n13\n"));
    talk.stdin = None;
    assert_eq!(talk.hear(), "11: 11");
    talk.running.until("it has ended", |run| {
        // The one that has worked for long is the one with the hard number.
        for pid in run.workers().into_iter().filter(|&pid| ticks(pid) >= 20) {
            workers::end(u64::try_from(pid).unwrap());
        }
        run.child.try_wait().unwrap().is_some()
    });
    assert_eq!((talk.hear(), talk.hear()), ("12: 2 2 3".to_owned(), "13: 13".to_owned()));
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert!(said.starts_with(&format!("factor: '{HARD}' cannot be factored: ")), "{said}");
    assert_eq!((said.lines().count(), talk.running.wait().code()), (1, 1));
}

#[test]
fn however_workers_die_each_number_is_answered_or_named_in_its_place() {
    // Products of the largest primes of 12 digits: two to a block, and none is quick.
    let primes = [999_999_999_989u128, 999_999_999_961, 999_999_999_959, 999_999_999_937, 999_999_999_899];
    let products =
        primes.iter().enumerate().flat_map(|(n, one)| primes[..n].iter().map(move |other| one * other));
    let numbers: Vec<String> = products.map(|product| product.to_string()).collect();
    let mut run = runner(["factor"]).with(|c| c.env("RUNNER_WORKERS", "2")).stdin(numbers.join("\n")).start();
    let mut killed = 0;
    run.until("it has ended, or enough workers are dead", |run| {
        for pid in run.workers().into_iter().filter(|&pid| ticks(pid) >= 2) {
            workers::end(u64::try_from(pid).unwrap());
            killed += 1;
        }
        killed >= 15 || run.child.try_wait().unwrap().is_some()
    });
    let output = run.wait();
    let answered = output.text().lines().map(|line| line.split(':').next().unwrap());
    let named = output.stderr.lines().map(|line| line.split('\'').nth(1).unwrap());
    let (answered, named): (Vec<&str>, Vec<&str>) = (answered.collect(), named.collect());
    let left = numbers.iter().filter(|number| !named.contains(&number.as_str()));
    assert!(answered.iter().eq(left), "{} answered, {named:?} named", answered.len());
    assert_eq!(output.code(), i32::from(!named.is_empty()));
}

#[test]
fn a_signal_ends_it_with_its_workers() {
    for signal in [workers::Signal::SIGINT, workers::Signal::SIGTERM] {
        let mut run = runner(["factor", HARD]).start();
        run.until("a worker computes", |run| run.workers().into_iter().any(|pid| ticks(pid) > 1));
        run.signal(signal);
        let output = run.wait();
        assert_eq!((output.signal(), output.stderr.as_str()), (signal as i32, ""));
    }
}

#[test]
fn it_stops_and_goes_on_with_its_workers() {
    let mut run = runner(["factor", HARD]).start();
    run.until("a worker computes", |run| run.workers().into_iter().any(|pid| ticks(pid) > 1));
    let all: Vec<i32> = [vec![run.pid()], run.workers()].concat();
    run.signal(workers::Signal::SIGTSTP);
    run.until("all stand", |run| all.iter().all(|&pid| run.state(pid) == Some('T')));
    run.signal(workers::Signal::SIGCONT);
    run.until("all go on", |run| all.iter().all(|&pid| run.state(pid) != Some('T')));
    run.signal(workers::Signal::SIGTERM);
    assert_eq!(run.wait().signal(), workers::Signal::SIGTERM as i32);
}

#[test]
fn memory_does_not_grow_with_the_input() {
    let peak = |numbers: u32| {
        let input: String = (1..=numbers).map(|number| format!("{number}\n")).collect();
        let mut running = runner(["factor"]).stdin(input).start_bare_fed();
        let (output, peak) = running.read_watching_memory();
        assert_eq!(output.iter().filter(|&&byte| byte == b'\n').count(), numbers as usize);
        assert_eq!(running.wait().code(), 0);
        peak
    };
    let (little, much) = (peak(200_000), peak(1_000_000));
    assert!(much < little + little / 2 + 4_096, "{little} KiB, {much} KiB");
}

#[test]
fn the_number_of_workers_is_read_from_the_environment() {
    let input: String = (1..=50_000).map(|number| format!("{number}\n")).collect();
    for count in ["1", "3"] {
        let output = runner(["factor"]).with(|c| c.env("RUNNER_WORKERS", count)).stdin(input.as_str()).run();
        assert_eq!((output.code(), output.text().lines().count()), (0, 50_000));
    }
    let output = runner(["factor", "12"]).with(|c| c.env("RUNNER_WORKERS", "0")).run();
    assert_eq!(output.code(), 1);
    assert_eq!(output.stderr, "factor: RUNNER_WORKERS must be a number from 1 to 1024\n");
}

/// Pairs of a front end and a text that is too much for the process that reads.
fn long_texts() -> [(&'static str, String); 3] {
    let numbers = (1..=300_000).map(|number| format!("{number}\n")).collect();
    let hard = "680564733851161477221389565825768226801\n".repeat(2);
    [("factor", numbers), ("factor", hard), ("gcd", "12 18\n".repeat(20_000))]
}

#[test]
fn where_no_worker_can_be_started_threads_do_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, long) = (folder.path().join("missing"), folder.path().join("x".repeat(200)));
    fs::create_dir(&long).unwrap();
    for (front, input) in long_texts() {
        let expected = runner([front]).stdin(input.as_str()).run();
        assert_eq!(expected.code(), 0);
        for bad in [&missing, &long, Path::new("/proc")] {
            let output = runner([front]).stdin(input.as_str()).with(|c| c.env("TMPDIR", bad)).run();
            assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{front} {}", bad.display());
            assert!(output.text() == expected.text(), "{front} {}", bad.display());
        }
        // Too few for the pool, or too few for its workers.
        for descriptors in [10, 16, 20, 24] {
            let output = runner([front]).stdin(input.as_str()).descriptors(descriptors).run();
            assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{front} {descriptors}");
            assert!(output.text() == expected.text(), "{front} {descriptors}");
        }
    }
}

#[test]
fn a_folder_for_temporary_files_that_disappears_costs_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let call = runner(["factor"]).with(|c| c.env("RUNNER_WORKERS", "1").env("TMPDIR", &temporary));
    let mut talk = Talk::start(call);
    let numbers: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    talk.say(&numbers);
    (1..=100_000).for_each(|number| assert!(talk.hear().starts_with(&format!("{number}:"))));
    // No worker can be started in place of the one that is killed.
    fs::remove_dir_all(&temporary).unwrap();
    let worker = talk.running.workers()[0];
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker), workers::Signal::SIGKILL).unwrap();
    talk.say(&numbers);
    talk.stdin = None;
    (1..=100_000).for_each(|number| assert!(talk.hear().starts_with(&format!("{number}:"))));
    assert_eq!(talk.running.wait().code(), 0);
}
