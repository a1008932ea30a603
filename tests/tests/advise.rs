//! `runner advise`: its advice for each kind of job.

use end_to_end::{gcd_jobs, runner};

fn advice(jobs: impl Into<Vec<u8>>) -> String {
    let output = runner(["advise", "-w", "2"]).stdin(jobs).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    String::from_utf8(output.stdout).unwrap()
}

fn lines(job: &str, count: usize) -> String {
    format!("{job}\n").repeat(count)
}

#[test]
fn short_jobs_run_serially() {
    let advice = advice(gcd_jobs(5_000).0);
    assert!(advice.starts_with("Run these jobs one after the other, because a job takes "), "{advice}");
    assert!(advice.ends_with("from the first 1000 jobs.\nrunner --executor serial\n"), "{advice}");
}

#[test]
fn cpu_bound_jobs_run_in_processes() {
    let advice = advice(lines(r#"{"op":"sum","n":3000000,"method":"trial"}"#, 200));
    assert!(
        advice.contains("on 2 worker processes") && advice.ends_with("\nrunner --workers 2\n"),
        "{advice}"
    );
}

#[test]
fn waiting_jobs_get_many_workers() {
    let advice = advice(lines(r#"{"op":"sleep","seconds":0.05}"#, 200));
    assert!(advice.contains("uses a processor for") && advice.contains("runner --workers 64"), "{advice}");
}

#[test]
fn few_jobs_need_no_workers() {
    let one = advice(lines(r#"{"op":"sleep","seconds":30}"#, 1));
    assert!(one.contains("because there is only one"), "{one}");
    let handful = advice(gcd_jobs(20).0);
    assert!(handful.contains("starting a worker takes") && handful.contains("all 20 jobs"), "{handful}");
}

#[test]
fn reports_that_there_are_no_jobs() {
    for jobs in ["", "[]", "nonsense\n"] {
        let output = runner(["advise"]).stdin(jobs).run();
        assert_eq!(output.code(), 1, "{jobs:?}");
        assert_eq!(output.stdout.len(), 0, "{jobs:?}");
        assert!(output.stderr.contains("nothing to advise"), "{}", output.stderr);
    }
    assert_eq!(runner(["advise", "/no/such/file"]).run().code(), 3);
}
