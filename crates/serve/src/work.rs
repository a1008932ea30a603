//! The worker's loop: a batch of jobs in, a batch of outcomes out.

use std::time::Duration;

use job::{Context, Job, MonotonicInstant, Stage};
use sys::{clock, poll::Poller, shared_page::SharedPage};
use wire::{
    Closed, Inbox, Message, PacketSender, Tag,
    batch::{JobsView, OutcomesWriter},
    handshake::pack,
    send,
};

use crate::{
    Terms,
    ahead::Ahead,
    run::{Input, run_job},
    samples::Samples,
};

/// Serves until the parent closes the link, or the worker has to end by itself: then returns `false`, and the parent has
/// been told why.
///
/// # Errors
/// When the parent sends what no parent sends, or is gone while outcomes are on their way to it.
pub fn work<J: Job>(
    inbox: &mut Inbox,
    sender: &dyn PacketSender,
    terms: Terms,
    context: &mut J::Context,
    page: &SharedPage,
) -> Result<bool, Closed> {
    let lane = page.lane();
    let (mut samples, poller) = (Samples::default(), Poller::new());
    loop {
        lane.enter(Stage::Poll);
        inbox.poll(&poller, || page.may_spin());
        lane.enter(Stage::Wait);
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
        let batch = JobsView::read(&message).ok_or(Closed::Malformed("no batch of jobs"))?;
        if !run_batch::<J>(&batch, Tools { terms, context, page, sender, samples: &mut samples })? {
            return Ok(false);
        }
    }
}

/// What a batch is run with.
struct Tools<'a, C> {
    terms: Terms,
    context: &'a mut C,
    page: &'a SharedPage,
    sender: &'a dyn PacketSender,
    samples: &'a mut Samples,
}

/// Runs the jobs of a batch in order and sends their outcomes back.
///
/// The shared page says which job is running until its outcome is encoded, and keeps the outcomes of the others until
/// they are sent: all together, or those so far when the page has no room for more.
///
/// Returns `false` if the worker has to end because of a [crash](Context::crashed). Then the page still names the job, and keeps
/// the outcomes of the others.
fn run_batch<J: Job>(batch: &JobsView<'_>, tools: Tools<'_, J::Context>) -> Result<bool, Closed> {
    let Tools { terms: Terms { codec, max_outcome, .. }, context, page, sender, samples } = tools;
    let mut laps = Laps::begin();
    page.lane().enter_at(Stage::Work, laps.began);
    let mut outcomes = OutcomesWriter::with_limit(batch.batch, max_outcome);
    page.keep_from(0);
    let mut ahead = Ahead::<J>::of(batch, context, page);
    for (index, payload) in (0..).zip(batch.payloads()) {
        page.enter(batch.batch, index, batch.flags.starts.then(clock::now));
        // One that has begun is not run by others.
        if !page.may_go_on(batch.batch) && (page.is_halted() || !ahead.has_begun()) {
            page.step_back(batch.batch, index);
            ahead.give_up(context);
            break;
        }
        let before = outcomes.bytes();
        let sample = samples.next().then_some(page.lane());
        let input = ahead.next(codec, context).map_or(Input::Encoded(payload), Input::Decoded);
        run_job(input, codec, context, &mut outcomes, sample);
        if let Some(crash) = context.crashed() {
            send(sender, pack(&crash))?;
            return Ok(false);
        }
        let kept = page.keep(batch.batch, before, outcomes.since(before));
        if batch.flags.durations {
            outcomes.note_duration(laps.job());
        }
        let last = index + 1 == batch.count;
        if !kept && !last {
            let full = std::mem::replace(&mut outcomes, OutcomesWriter::with_limit(batch.batch, max_outcome));
            let (began, busy) = laps.message();
            page.lane().enter_at(Stage::Return, laps.began);
            send(sender, full.finish(began, busy, false))?;
            laps = Laps::begin();
            page.lane().enter_at(Stage::Work, laps.began);
            page.keep_from(index + 1);
        }
    }
    let (began, busy) = laps.message();
    samples.learn(busy, batch.count);
    page.lane().note_jobs(batch.count);
    page.lane().enter_at(Stage::Return, laps.began);
    // Sending may take long too, and until it is over the last job can be blamed: a job that has spoilt the link must not
    // get away with it.
    if batch.flags.starts {
        page.renew(laps.began);
    }
    send(sender, outcomes.finish(began, busy, true))?;
    page.leave();
    Ok(true)
}

/// Takes the time of messages and of jobs.
struct Laps {
    /// When the message began that is being filled.
    began: MonotonicInstant,
    /// When the last job whose time was taken was over.
    job: MonotonicInstant,
}

impl Laps {
    fn begin() -> Laps {
        let now = clock::now();
        Laps { began: now, job: now }
    }

    /// The time since the last job, or since the message began.
    fn job(&mut self) -> Duration {
        let before = std::mem::replace(&mut self.job, clock::now());
        self.job.since(before)
    }

    /// When the message began that is over now, and how many nanoseconds it took; the next one begins.
    fn message(&mut self) -> (MonotonicInstant, u64) {
        let before = std::mem::replace(self, Laps::begin());
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
        batch::{BatchFlags, Entries, OutcomesView, Status, jobs},
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

    const CODEC: CodecKind = CodecKind::Bincode;
    const TERMS: Terms = Terms { codec: CODEC, transport: Transport::Channel, max_outcome: u64::MAX };

    /// What a worker sends back when it is sent these jobs.
    fn reply(sent: &[Sample], flags: BatchFlags, halted: bool, terms: Terms) -> Message {
        let (parent, worker) = memory_pair();
        let mut entries = Entries::default();
        sent.iter().for_each(|job| entries.push(CODEC, job).unwrap());
        let batch = jobs(BatchId(3), flags, sent.len() as u32, &[entries.slice(0, sent.len())]);
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
        assert!(view.durations().is_none(), "nobody wants to know");
        view.outcomes().map(|(status, bytes)| (status.unwrap(), bytes.to_vec())).collect()
    }

    #[test]
    fn every_job_of_a_batch_gets_an_outcome_of_its_own() {
        let sent = [Sample::Double(4), Sample::Refuse, Sample::Panic, Sample::Unencodable, Sample::Count];
        let answers = answers(&sent, false, TERMS);
        let statuses: Vec<Status> = answers.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [Status::Done, Status::Failed, Status::Panicked, Status::Codec, Status::Done]);
        assert_eq!(CODEC.decode::<Answer>(&answers[0].1).unwrap(), Answer::Number(8));
        assert_eq!(CODEC.decode::<String>(&answers[1].1).unwrap(), "no");
        assert_eq!(CODEC.decode::<job::Panic>(&answers[2].1).unwrap().message, "oh");
        assert_eq!(CODEC.decode::<String>(&answers[3].1).unwrap(), "encoding panicked: no bytes for this");
        assert_eq!(CODEC.decode::<Answer>(&answers[4].1).unwrap(), Answer::Number(45), "the state lives on");
    }

    #[test]
    fn an_outcome_that_is_too_large_is_an_error_of_its_job() {
        // A number above 250 takes three bytes and its variant one; the error "no" takes three in all.
        let sent = [Sample::Double(7), Sample::Double(200), Sample::Refuse, Sample::Panic, Sample::Count];
        let answers = answers(&sent, false, Terms { max_outcome: 3, ..TERMS });
        let statuses: Vec<Status> = answers.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [Status::Done, Status::Codec, Status::Failed, Status::Panicked, Status::Done]);
        let error = CODEC.decode::<String>(&answers[1].1).unwrap();
        assert_eq!(error, "the outcome takes 4 bytes, and `max_outcome` allows 3");
    }

    #[test]
    fn a_halted_worker_runs_nothing() {
        assert!(answers(&[Sample::Count], true, TERMS).is_empty());
    }

    #[test]
    fn durations_of_jobs_lie_within_the_time_for_all_of_them() {
        let before = clock::now();
        let sent = [Sample::Double(4), Sample::Panic, Sample::Unencodable, Sample::Count];
        let reply = reply(&sent, BatchFlags { starts: false, durations: true }, false, TERMS);
        let view = OutcomesView::read(&reply).unwrap();
        let durations: Vec<u64> = view.durations().unwrap().map(u64::from).collect();
        assert_eq!(durations.len(), 4, "a job that fails takes time too");
        assert!(durations.iter().all(|&duration| duration > 0));
        assert!(durations.iter().sum::<u64>() <= view.busy_ns);
        let end = view.began + Duration::from_nanos(view.busy_ns);
        assert!(before <= view.began && end <= clock::now());
    }
}
