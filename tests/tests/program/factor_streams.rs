//! `runner factor` over time: interactive use, worker deaths, signals, memory.

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

/// An interactive session. A thread reads the output, so that waiting for a line can time out.
struct Session {
    running: Running,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Session {
    fn start(call: Call) -> Session {
        let mut running = call.stdin("").start_raw();
        let stdin = running.child.stdin.take();
        let stdout = BufReader::new(running.child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Session { running, stdin, lines }
    }

    fn write(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn read_line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("no answer to the previous line")
    }
}

#[test]
fn each_line_is_answered_before_the_next_is_written() {
    let mut session = Session::start(runner(["factor"]));
    for (input, expected) in [
        ("12\n", vec!["12: 2 2 3"]),
        ("15 16\n17", vec!["15: 3 5", "16: 2 2 2 2"]),
        ("0\n", vec!["170: 2 5 17"]),
        // Too expensive for the parent.
        (
            "680564733851161477221389565825768226801\n18\n",
            vec![
                "680564733851161477221389565825768226801: 1099511627791 618970019642690137449562111",
                "18: 2 3 3",
            ],
        ),
        ("19 ", vec!["19: 19"]),
    ] {
        session.write(input);
        expected.into_iter().for_each(|line| assert_eq!(session.read_line(), line));
    }
    session.stdin = None;
    assert_eq!(session.running.wait().code(), 0);
}

/// Returns the processor time of a process in clock ticks.
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    fields.get(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// RSA-129, which takes a worker longer than any test.
const HARD: &str = "1143816257578888676692357799761466120102182967212423625625618429\
                    35706935245733897830597123563958705058989075147599290026879543541";

#[test]
fn number_that_kills_its_worker_is_named_and_the_others_are_factored() {
    let mut session = Session::start(runner(["factor"]).with(|c| c.env("RUNNER_WORKERS", "2")));
    let mut stderr = session.running.child.stderr.take().unwrap();
    session.write(&format!("11 {HARD} 12\n13\n"));
    session.stdin = None;
    assert_eq!(session.read_line(), "11: 11");
    session.running.wait_until("the program has exited", |run| {
        // The worker with much processor time is the one with the hard number.
        for pid in run.workers().into_iter().filter(|&pid| ticks(pid) >= 20) {
            workers::kill_if_alive(u64::try_from(pid).unwrap());
        }
        run.child.try_wait().unwrap().is_some()
    });
    assert_eq!((session.read_line(), session.read_line()), ("12: 2 2 3".to_owned(), "13: 13".to_owned()));
    let mut errors = String::new();
    stderr.read_to_string(&mut errors).unwrap();
    assert!(errors.starts_with(&format!("factor: '{HARD}' cannot be factored: ")), "{errors}");
    assert_eq!(errors.lines().count(), 1);
    assert_eq!(session.running.wait().code(), 1);
}

#[test]
fn each_number_is_factored_or_named_despite_killed_workers() {
    // Products of the largest primes of 12 digits: two per block, and none is quick.
    let primes = [999_999_999_989u128, 999_999_999_961, 999_999_999_959, 999_999_999_937, 999_999_999_899];
    let products =
        primes.iter().enumerate().flat_map(|(n, one)| primes[..n].iter().map(move |other| one * other));
    let numbers: Vec<String> = products.map(|product| product.to_string()).collect();
    let mut run = runner(["factor"]).with(|c| c.env("RUNNER_WORKERS", "2")).stdin(numbers.join("\n")).start();
    let mut killed = 0;
    run.wait_until("the program has exited or 15 workers were killed", |run| {
        for pid in run.workers().into_iter().filter(|&pid| ticks(pid) >= 2) {
            workers::kill_if_alive(u64::try_from(pid).unwrap());
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
fn signal_ends_the_program_and_its_workers() {
    for signal in [workers::Signal::SIGINT, workers::Signal::SIGTERM] {
        let mut run = runner(["factor", HARD]).start();
        run.wait_until("a worker is computing", |run| run.workers().into_iter().any(|pid| ticks(pid) > 1));
        run.signal(signal);
        let output = run.wait();
        assert_eq!(output.signal(), signal as i32);
        assert_eq!(output.stderr.as_str(), "");
    }
}

#[test]
fn workers_are_suspended_and_continued_with_the_program() {
    let mut run = runner(["factor", HARD]).start();
    run.wait_until("a worker is computing", |run| run.workers().into_iter().any(|pid| ticks(pid) > 1));
    let all: Vec<i32> = [vec![run.pid()], run.workers()].concat();
    run.signal(workers::Signal::SIGTSTP);
    run.wait_until("all processes are stopped", |run| all.iter().all(|&pid| run.state(pid) == Some('T')));
    run.signal(workers::Signal::SIGCONT);
    run.wait_until("all processes are continued", |run| all.iter().all(|&pid| run.state(pid) != Some('T')));
    run.signal(workers::Signal::SIGTERM);
    assert_eq!(run.wait().signal(), workers::Signal::SIGTERM as i32);
}

#[test]
fn memory_does_not_grow_with_the_input() {
    let peak = |numbers: u32| {
        let input: String = (1..=numbers).map(|number| format!("{number}\n")).collect();
        let mut running = runner(["factor"]).stdin(input).start_with_input();
        let (output, peak) = running.read_watching_memory();
        assert_eq!(output.iter().filter(|&&byte| byte == b'\n').count(), numbers as usize);
        assert_eq!(running.wait().code(), 0);
        peak
    };
    let (little, much) = (peak(200_000), peak(1_000_000));
    assert!(much < little + little / 2 + 4_096, "{little} KiB, {much} KiB");
}

#[test]
fn number_of_workers_is_read_from_the_environment() {
    let input: String = (1..=50_000).map(|number| format!("{number}\n")).collect();
    for count in ["1", "3"] {
        let output = runner(["factor"]).with(|c| c.env("RUNNER_WORKERS", count)).stdin(input.as_str()).run();
        assert_eq!(output.code(), 0);
        assert_eq!(output.text().lines().count(), 50_000);
    }
    let output = runner(["factor", "12"]).with(|c| c.env("RUNNER_WORKERS", "0")).run();
    assert_eq!(output.code(), 1);
    assert_eq!(output.stderr, "factor: RUNNER_WORKERS must be a number from 1 to 1024\n");
}

/// Returns pairs of a front end and an input that is too long for the parent alone.
fn long_texts() -> [(&'static str, String); 3] {
    let numbers = (1..=300_000).map(|number| format!("{number}\n")).collect();
    let hard = "680564733851161477221389565825768226801\n".repeat(2);
    [("factor", numbers), ("factor", hard), ("gcd", "12 18\n".repeat(20_000))]
}

#[test]
fn falls_back_to_threads_without_workers() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, long) = (folder.path().join("missing"), folder.path().join("x".repeat(200)));
    fs::create_dir(&long).unwrap();
    for (front, input) in long_texts() {
        let expected = runner([front]).stdin(input.as_str()).run();
        assert_eq!(expected.code(), 0);
        for bad in [&missing, &long, Path::new("/proc")] {
            let output = runner([front]).stdin(input.as_str()).with(|c| c.env("TMPDIR", bad)).run();
            assert_eq!(output.code(), 0, "{front} {}", bad.display());
            assert_eq!(output.stderr.as_str(), "", "{front} {}", bad.display());
            assert!(output.text() == expected.text(), "{front} {}", bad.display());
        }
        // Too few descriptors for the pool, or too few for its workers.
        for descriptors in [10, 16, 20, 24] {
            let output = runner([front]).stdin(input.as_str()).descriptors(descriptors).run();
            assert_eq!(output.code(), 0, "{front} {descriptors}");
            assert_eq!(output.stderr.as_str(), "", "{front} {descriptors}");
            assert!(output.text() == expected.text(), "{front} {descriptors}");
        }
    }
}

#[test]
fn removed_temporary_directory_loses_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let call = runner(["factor"]).with(|c| c.env("RUNNER_WORKERS", "1").env("TMPDIR", &temporary));
    let mut session = Session::start(call);
    let numbers: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    session.write(&numbers);
    (1..=100_000).for_each(|number| assert!(session.read_line().starts_with(&format!("{number}:"))));
    // The killed worker cannot be replaced.
    fs::remove_dir_all(&temporary).unwrap();
    let worker = session.running.workers()[0];
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker), workers::Signal::SIGKILL).unwrap();
    session.write(&numbers);
    session.stdin = None;
    (1..=100_000).for_each(|number| assert!(session.read_line().starts_with(&format!("{number}:"))));
    assert_eq!(session.running.wait().code(), 0);
}
