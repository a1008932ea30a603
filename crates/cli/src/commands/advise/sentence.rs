//! Renders the advice as a sentence.

use bench::{Advice, Reason, SampleStats, report::ExecutorName};

use crate::units::format_ns;

/// Returns the advice and its reason in a sentence, and the options of `runner` on the next line.
pub(super) fn sentence(sampled: &SampleStats, advice: &Advice) -> String {
    format!(
        "{}, because {}; from {}.\nrunner {}\n",
        recommendation(advice),
        reason(sampled, advice),
        basis(sampled),
        options(advice)
    )
}

fn recommendation(advice: &Advice) -> String {
    match (advice.executor, advice.workers) {
        (ExecutorName::Serial, _) => "Run these jobs one after the other".to_owned(),
        (ExecutorName::Threads, workers) => format!("Run these jobs on {workers} threads"),
        (ExecutorName::Processes, 1) => "Run these jobs on a worker process".to_owned(),
        (ExecutorName::Processes, workers) => format!("Run these jobs on {workers} worker processes"),
    }
}

fn reason(sampled: &SampleStats, advice: &Advice) -> String {
    let (run, cost) = (format_ns(sampled.run_ns), format_ns(sampled.parent_ns + sampled.worker_ns));
    let expected = format!("so expect {:.1} times the speed of one after the other", advice.speedup);
    match advice.reason {
        Reason::WorthSending => {
            format!("a job takes {run} and sending it to a process and back costs {cost}, {expected}")
        }
        Reason::TooShort => format!("a job takes {run} and sending it to a process and back costs {cost}"),
        Reason::TooFew => format!(
            "all of them together take {}, and starting a worker takes {}",
            format_ns(sampled.run_ns * sampled.jobs as f64),
            format_ns(sampled.start_ns)
        ),
        Reason::OnlyOne => "there is only one".to_owned(),
        Reason::Waiting => format!(
            "a job takes {run} and uses a processor for {} of that, {expected}",
            format_ns(sampled.processor_ns)
        ),
        Reason::LargePayload => format!(
            "a job takes {run} and its payload is so large that sending it to a process and back costs \
             {cost}, {expected}"
        ),
    }
}

fn basis(sampled: &SampleStats) -> String {
    match (sampled.jobs, sampled.all) {
        (1, true) => "the only job".to_owned(),
        (jobs, true) => format!("all {jobs} jobs"),
        (1, false) => "the first job".to_owned(),
        (jobs, false) => format!("the first {jobs} jobs"),
    }
}

fn options(advice: &Advice) -> String {
    match advice.executor {
        ExecutorName::Serial => "--executor serial".to_owned(),
        ExecutorName::Threads => format!("--executor threads --workers {}", advice.workers),
        ExecutorName::Processes => format!("--workers {}", advice.workers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_a_sentence_and_the_options() {
        let sampled = SampleStats {
            jobs: 40,
            all: false,
            run_ns: 2.5e6,
            processor_ns: 2.5e6,
            parent_ns: 2e4,
            worker_ns: 4e3,
            thread_ns: 300.0,
            start_ns: 3e6,
        };
        let advice = bench::advise(&sampled, 2, 2);
        assert_eq!(
            sentence(&sampled, &advice),
            "Run these jobs on 2 worker processes, because a job takes 2.5 ms and sending it to a process \
             and back costs 24.0 us, so expect 2.0 times the speed of one after the other; from the first 40 \
             jobs.\nrunner --workers 2\n"
        );
    }
}
