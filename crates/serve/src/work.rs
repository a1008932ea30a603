//! The worker's loop: receives batches of jobs, sends batches of outcomes.

use std::time::Duration;

use job::{Context, Job, MonotonicInstant, Stage};
use portable::Poller;
use sys::{clock, shared_page::SharedPage};
use wire::{
    Closed, Inbox, Message, PacketSender, Tag,
    batch::{JobsView, OutcomesWriter},
    handshake::pack,
    send,
};

use crate::{
    Terms,
    lookahead::Lookahead,
    run::{Input, run_job},
    sampler::Sampler,
};

/// Serves until the parent closes the link, and returns `true`; or until a job's context has crashed, and
/// returns `false` after the crash was reported to the parent.
///
/// # Errors
/// The parent violates the protocol, the worker is out of memory, or the parent is gone while outcomes are
/// being sent to it.
pub fn work<J: Job>(
    inbox: &mut Inbox,
    sender: &dyn PacketSender,
    terms: Terms,
    context: &mut J::Context,
    page: &SharedPage,
) -> Result<bool, Closed> {
    let timer = page.timer();
    let (mut sampler, poller) = (Sampler::default(), Poller::new());
    loop {
        timer.enter(Stage::Poll);
        inbox.poll(&poller, || page.may_spin());
        timer.enter(Stage::Wait);
        let message = match inbox.receive(|| send(sender, Message::new(Tag::PartReceived))) {
            Ok(message) => message,
            Err(Closed::Gone) => return Ok(true),
            Err(error) => {
                if matches!(error, Closed::NoMemory { .. }) {
                    page.note_alloc_failure();
                }
                return Err(error);
            }
        };
        let batch =
            JobsView::read(&message).ok_or(Closed::Malformed("a message that is not a batch of jobs"))?;
        if !run_batch::<J>(&batch, BatchContext { terms, context, page, sender, sampler: &mut sampler })? {
            return Ok(false);
        }
    }
}

/// Everything but the jobs that a batch is run with.
struct BatchContext<'a, C> {
    terms: Terms,
    context: &'a mut C,
    page: &'a SharedPage,
    sender: &'a dyn PacketSender,
    sampler: &'a mut Sampler,
}

/// Runs the jobs of a batch in order and sends their outcomes back.
///
/// The shared page names each job from its start until its outcome is encoded, and saves the outcomes of
/// finished jobs until they are sent. Outcomes are sent together at the end, or as soon as the page has no
/// room for more. While a job takes long, the parent reads those before it from the page; they are sent
/// nevertheless.
///
/// Returns `false` if the worker must exit because of a [crash](Context::crashed). Then the page still names
/// the crashed job, and holds the outcomes of the others.
fn run_batch<J: Job>(
    batch: &JobsView<'_>,
    batch_context: BatchContext<'_, J::Context>,
) -> Result<bool, Closed> {
    let BatchContext { terms: Terms { codec, max_outcome, .. }, context, page, sender, sampler } =
        batch_context;
    let mut timing = Timing::begin();
    page.timer().enter_at(Stage::Work, timing.began);
    let mut outcomes = OutcomesWriter::with_limit(batch.batch, max_outcome);
    page.clear_saved(0);
    let mut lookahead = Lookahead::<J>::of(batch, context, page);
    for (index, payload) in (0..).zip(batch.payloads()) {
        page.begin_job(batch.batch, index, batch.flags.starts.then(clock::now));
        // A job that has begun ahead cannot be given to another worker, so it runs despite a recall.
        if !page.may_run(batch.batch) && (page.is_halted() || !lookahead.has_begun()) {
            page.withdraw_job(batch.batch, index);
            lookahead.give_up(context);
            break;
        }
        let before = outcomes.bytes();
        let sample = sampler.next().then_some(page.timer());
        let input = lookahead.next(codec, context).map_or(Input::Encoded(payload), Input::Decoded);
        run_job(input, codec, context, &mut outcomes, sample);
        if let Some(crash) = context.crashed() {
            send(sender, pack(&crash))?;
            return Ok(false);
        }
        // An outcome with files is sent at once, as its files do not survive the worker.
        let saved = outcomes.files().is_empty()
            && page.save_outcome(batch.batch, before, outcomes.bytes_from(before));
        if batch.flags.durations {
            outcomes.note_duration(timing.job());
        }
        let last = index + 1 == batch.count;
        if !saved && !last {
            let full = std::mem::replace(&mut outcomes, OutcomesWriter::with_limit(batch.batch, max_outcome));
            let (began, busy) = timing.message();
            page.timer().enter_at(Stage::Return, timing.began);
            if batch.flags.starts {
                page.restart_clock(timing.began);
            }
            send_outcomes(sender, page, full, |full| full.finish(began, busy, false))?;
            timing = Timing::begin();
            page.timer().enter_at(Stage::Work, timing.began);
            page.clear_saved(index + 1);
        }
    }
    let (began, busy) = timing.message();
    sampler.adapt(busy, batch.count);
    page.timer().note_jobs(batch.count);
    page.timer().enter_at(Stage::Return, timing.began);
    // Sending may take long, too. Until it is done, the last job can still be blamed: a job that has
    // corrupted the link must be charged.
    if batch.flags.starts {
        page.restart_clock(timing.began);
    }
    send_outcomes(sender, page, outcomes, |outcomes| outcomes.finish(began, busy, true))?;
    page.end_batch();
    Ok(true)
}

/// Sends outcomes, and waits until the parent has opened their files.
#[inline]
fn send_outcomes(
    sender: &dyn PacketSender,
    page: &SharedPage,
    outcomes: OutcomesWriter,
    finish: impl FnOnce(OutcomesWriter) -> Message,
) -> Result<(), Closed> {
    if outcomes.files().is_empty() {
        return send(sender, finish(outcomes));
    }
    let (files, taken) = (outcomes.files().clone(), page.files_taken());
    send(sender, finish(outcomes))?;
    // From here on no job is to blame for a death, or runs too long.
    page.end_batch();
    let is_taken = page.wait_until_files_taken(taken);
    drop(files);
    if is_taken { Ok(()) } else { Err(Closed::Gone) }
}

/// Measures the time of messages and of jobs.
struct Timing {
    /// Start of the current message.
    began: MonotonicInstant,
    /// End of the last measured job.
    job: MonotonicInstant,
}

impl Timing {
    fn begin() -> Timing {
        let now = clock::now();
        Timing { began: now, job: now }
    }

    /// Returns the time since the last measured job, or since the start of the message.
    fn job(&mut self) -> Duration {
        let before = std::mem::replace(&mut self.job, clock::now());
        self.job.since(before)
    }

    /// Ends the message; returns its start, and its length in nanoseconds. The next one begins.
    fn message(&mut self) -> (MonotonicInstant, u64) {
        let before = std::mem::replace(self, Timing::begin());
        let busy = self.began.since(before.began).as_nanos();
        (before.began, u64::try_from(busy).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::BatchId;
    use serde::{Deserialize, Serialize};
    use wire::{
        CodecKind, Transport,
        batch::{BatchFlags, Entries, OutcomesView, Status, encode_jobs},
        memory_pair,
    };

    #[derive(Serialize, Deserialize)]
    enum Sample {
        Double(u32),
        Refuse,
        Panic,
        Unencodable,
        Count,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Answer {
        Number(u32),
        Unencodable,
    }

    impl Serialize for Answer {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Answer::Number(n) => serializer.serialize_newtype_variant("Answer", 0, "Number", n),
                Answer::Unencodable => panic!("no bytes for this"),
            }
        }
    }

    struct Counter(u32);

    impl Context for Counter {
        type Args = u32;
        type Error = String;
        type Report = ();
        fn start(first: u32) -> Result<Counter, String> {
            Ok(Counter(first))
        }
    }

    impl Job for Sample {
        const NAME: &'static str = "sample";
        type Output = Answer;
        type Error = String;
        type Context = Counter;
        fn run(self, counter: &mut Counter) -> Result<Answer, String> {
            counter.0 += 1;
            match self {
                Sample::Double(n) => Ok(Answer::Number(n * 2)),
                Sample::Refuse => Err("no".into()),
                Sample::Panic => panic!("oh"),
                Sample::Unencodable => Ok(Answer::Unencodable),
                Sample::Count => Ok(Answer::Number(counter.0)),
            }
        }
    }

    const CODEC: CodecKind = CodecKind::ALL[0];
    const TERMS: Terms =
        Terms { codec: CODEC, transport: Transport::Channel, max_outcome: u64::MAX, is_sandboxed: false };

    /// Returns the message that a worker sends back for these jobs.
    fn reply(sent: &[Sample], flags: BatchFlags, halted: bool, terms: Terms) -> Message {
        let (parent, worker) = memory_pair();
        let mut entries = Entries::default();
        sent.iter().for_each(|job| entries.push(CODEC, job).unwrap());
        let batch = encode_jobs(BatchId(3), flags, sent.len() as u32, &[entries.slice(0, sent.len())]);
        send(&*parent.sender, batch).unwrap();
        drop(parent.sender);

        let (page, _fd) = SharedPage::create().unwrap();
        if halted {
            page.halt();
        }
        let mut inbox = Inbox::new(worker.receiver);
        work::<Sample>(&mut inbox, &*worker.sender, terms, &mut Counter(40), &page).unwrap();
        assert_eq!(page.running(), None);
        Inbox::new(parent.receiver).receive(|| unreachable!()).unwrap()
    }

    fn answers(sent: &[Sample], halted: bool, terms: Terms) -> Vec<(Status, Vec<u8>)> {
        let reply = reply(sent, BatchFlags { starts: true, durations: false }, halted, terms);
        let view = OutcomesView::read(&reply).unwrap();
        assert_eq!(view.batch, BatchId(3));
        assert!(view.durations().is_none(), "durations were not requested");
        view.outcomes().map(|(status, bytes)| (status.unwrap(), bytes.to_vec())).collect()
    }

    #[test]
    fn returns_one_outcome_per_job() {
        let sent = [Sample::Double(4), Sample::Refuse, Sample::Panic, Sample::Unencodable, Sample::Count];
        let answers = answers(&sent, false, TERMS);
        let statuses: Vec<Status> = answers.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [Status::Done, Status::Failed, Status::Panicked, Status::Codec, Status::Done]);
        assert_eq!(CODEC.decode::<Answer>(&answers[0].1).unwrap(), Answer::Number(8));
        assert_eq!(CODEC.decode::<String>(&answers[1].1).unwrap(), "no");
        assert_eq!(CODEC.decode::<job::Panic>(&answers[2].1).unwrap().message, "oh");
        assert_eq!(CODEC.decode::<String>(&answers[3].1).unwrap(), "encoding panicked: no bytes for this");
        assert_eq!(
            CODEC.decode::<Answer>(&answers[4].1).unwrap(),
            Answer::Number(45),
            "the context is kept between jobs"
        );
    }

    #[test]
    fn outcome_above_max_outcome_fails_its_job() {
        // The number 20,000 takes three bytes and its variant one; the error "no" takes three bytes in
        // total.
        let sent = [Sample::Double(7), Sample::Double(10_000), Sample::Refuse, Sample::Panic, Sample::Count];
        let answers = answers(&sent, false, Terms { max_outcome: 3, ..TERMS });
        let statuses: Vec<Status> = answers.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [Status::Done, Status::Codec, Status::Failed, Status::Panicked, Status::Done]);
        let error = CODEC.decode::<String>(&answers[1].1).unwrap();
        assert_eq!(error, "outcome exceeds `max_outcome` (3 bytes)");
    }

    #[test]
    fn halted_worker_runs_no_job() {
        assert!(answers(&[Sample::Count], true, TERMS).is_empty());
    }

    #[test]
    fn durations_of_jobs_are_within_the_busy_time() {
        let before = clock::now();
        let sent = [Sample::Double(4), Sample::Panic, Sample::Unencodable, Sample::Count];
        let reply = reply(&sent, BatchFlags { starts: false, durations: true }, false, TERMS);
        let view = OutcomesView::read(&reply).unwrap();
        let durations: Vec<u64> = view.durations().unwrap().map(u64::from).collect();
        assert_eq!(durations.len(), 4, "failed jobs have a duration too");
        assert!(durations.iter().all(|&duration| duration > 0));
        assert!(durations.iter().sum::<u64>() <= view.busy_ns);
        let end = view.began + Duration::from_nanos(view.busy_ns);
        assert!(before <= view.began && end <= clock::now());
    }
}
