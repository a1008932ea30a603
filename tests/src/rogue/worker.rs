//! The worker program.

use std::{
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::{self, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nix::sys::{
    signal::{SigSet, Signal},
    socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket},
};
use pool::{Job, settings::CodecKind};
use sys::{payload::Payload, shared_page::SharedPage};
use wire::{
    Closed, Inbox, Link, Message, PROTOCOL_VERSION, Role, Tag, Transport,
    batch::{JobsView, OutcomesWriter, Status},
    handshake::{FinalReport, Hello, Started, Welcome, pack, unpack},
    ring,
};

use super::{Misbehavior, RoguePlan, overwrite};
use crate::{probe::Probe, program};
use Misbehavior::{
    AbsurdBusy, AnswersTwice, ConnectsAndHangs, ConnectsWithGarbage, ConnectsWithGarbageAndHangs,
    Disconnects, EarlyAck, Exits, ExitsBeforeHello, ExitsImmediately, ExitsInHandshake, ForeignBatch,
    GarbageHello, GarbageOutcomes, GarbagePacket, HalfThenExits, HalfThenHangs, HugePacket, IgnoresShutdown,
    LargePacket, Nested, NeverAnswers, NeverConnects, NeverReady, NeverSendsHello, OtherJobType,
    OtherVersion, OversizedHello, OverwritesMemory, RepeatsFiles, RingsDoorbellOnly, SendsJobs,
    TooFewOutcomes, TooManyOutcomes, Undecodable, UnknownStatus, UnknownTag, UnsolicitedAck,
    UnsolicitedReport, WrongFiles,
};

/// Runs the program.
///
/// # Panics
/// If it was not started as a worker with a plan in its environment.
pub fn main() -> ! {
    let plan = RoguePlan::from_env();
    let role = Role::of_this_process().expect("not started by a pool");
    let job_type = role.job_type();
    if !plan.applies() {
        serve_correctly(role);
    }
    if plan.misbehavior == IgnoresShutdown {
        SigSet::from(Signal::SIGTERM).thread_block().expect("cannot block SIGTERM");
    }
    let page = role.open_shared_page();
    let page = Arc::new(page.expect("cannot map the shared page"));
    let link = connect_to_parent(plan.misbehavior, role.rendezvous(), &page);
    let rogue = Rogue {
        plan,
        link,
        codec: CodecKind::default(),
        transport: Transport::default(),
        page,
        can_answer: job_type == Probe::NAME,
    };
    let _ = rogue.run(job_type);
    process::exit(0)
}

/// Serves jobs as a correct worker.
fn serve_correctly(role: &Role) -> ! {
    if role.job_type() == Probe::NAME {
        pool::worker::serve_as_worker::<Probe>();
    }
    let (name, value) = role.variable();
    panic!("{}", Command::new(program("worker")).env(name, value).exec());
}

fn connect_to_parent(misbehavior: Misbehavior, rendezvous: &str, page: &Arc<SharedPage>) -> Link {
    match misbehavior {
        ExitsImmediately => process::exit(5),
        NeverConnects => hang(),
        RingsDoorbellOnly => {
            page.doorbell().ring();
            hang()
        }
        ConnectsWithGarbage | ConnectsWithGarbageAndHangs => {
            let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None);
            let socket = socket.expect("cannot create a socket");
            connect(socket.as_raw_fd(), &UnixAddr::new(rendezvous).expect("not a path"))
                .expect("cannot connect to the parent");
            send(socket.as_raw_fd(), &[7; 40], MsgFlags::empty()).expect("the socket is full");
            if misbehavior == ConnectsWithGarbage {
                page.doorbell().ring();
                process::exit(5);
            }
            hang()
        }
        ConnectsAndHangs => {
            let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None);
            let socket = socket.expect("cannot create a socket");
            connect(socket.as_raw_fd(), &UnixAddr::new(rendezvous).expect("not a path"))
                .expect("cannot connect to the parent");
            page.doorbell().ring();
            hang()
        }
        _ => wire::connect(rendezvous, page.clone()).expect("cannot connect to the parent"),
    }
}

/// Sends a packet into each socket that claims to be the first of many, without a socket for the others.
fn send_oversized_headers() {
    let packet: Vec<u8> = [40u64, 1 << 20, 7, 7, 7].iter().flat_map(|word| word.to_ne_bytes()).collect();
    for fd in 3..20 {
        let _ = send(fd, &packet, MsgFlags::MSG_DONTWAIT);
    }
}

fn hang() -> ! {
    loop {
        thread::sleep(Duration::from_secs(1000));
    }
}

struct Rogue {
    plan: RoguePlan,
    link: Link,
    codec: CodecKind,
    transport: Transport,
    page: Arc<SharedPage>,
    /// Whether it can answer: it can decode only one job type.
    can_answer: bool,
}

impl Rogue {
    fn run(mut self, job_type: &str) -> Result<(), Closed> {
        let (_, unused) = wire::memory_pair();
        let mut inbox = Inbox::new(std::mem::replace(&mut self.link.receiver, unused.receiver));
        self.handshake(job_type, &mut inbox)?;
        if self.transport == Transport::Rings {
            self.link = ring::worker_link(self.page.clone());
            inbox = Inbox::new(std::mem::replace(&mut self.link.receiver, wire::memory_pair().1.receiver));
        }
        for count in 0.. {
            let message = match inbox.receive(|| self.send(Message::new(Tag::PartReceived))) {
                Ok(message) => message,
                Err(_) if self.plan.misbehavior == IgnoresShutdown => hang(),
                Err(error) => return Err(error),
            };
            let batch = JobsView::read(&message).expect("not a batch of jobs");
            if count < self.plan.good_batches {
                self.send(self.answer(&batch).finish(sys::clock::now(), 1000, true))?;
                continue;
            }
            if self.plan.publishes_job {
                self.page.begin_job(batch.batch, 0, batch.flags.starts.then(sys::clock::now));
            }
            if self.plan.misbehavior == Disconnects {
                drop((inbox, self));
                hang();
            }
            self.misbehave(&batch)?;
        }
        Ok(())
    }

    fn send(&self, message: Message) -> Result<(), Closed> {
        wire::send(&*self.link.sender, message)
    }

    fn handshake(&mut self, job_type: &str, inbox: &mut Inbox) -> Result<(), Closed> {
        let hello = Hello::new(job_type);
        match self.plan.misbehavior {
            NeverSendsHello => hang(),
            ExitsBeforeHello => process::exit(5),
            OtherVersion => self.send(pack(&Hello { protocol: PROTOCOL_VERSION + 1, ..hello }))?,
            OtherJobType => self.send(pack(&Hello::new("others")))?,
            GarbageHello => self.send(pack(&[0xffu8; 30]))?,
            OversizedHello => {
                send_oversized_headers();
                hang()
            }
            _ => self.send(pack(&hello))?,
        }
        match self.plan.misbehavior {
            ExitsInHandshake => process::exit(5),
            EarlyAck => self.send(Message::new(Tag::PartReceived))?,
            _ => {}
        }
        let welcome = inbox.receive(|| self.send(Message::new(Tag::PartReceived)))?;
        let welcome: Welcome = unpack(&welcome).expect("not a welcome");
        self.codec = CodecKind::from_number(welcome.codec).expect("unknown codec");
        self.transport = welcome.transport;
        if self.plan.misbehavior == NeverReady {
            hang();
        }
        self.send(pack(&Started::Ready { sandbox_gaps: Vec::new() }))
    }

    /// Returns the answer of a correct worker; without outcomes if it cannot decode the jobs.
    fn answer(&self, batch: &JobsView<'_>) -> OutcomesWriter {
        let mut outcomes = OutcomesWriter::new(batch.batch);
        for payload in batch.payloads().filter(|_| self.can_answer) {
            let job: Probe = self.codec.decode(payload).expect("cannot decode the job");
            let output = job.run(&mut ()).expect("the job failed");
            outcomes.push(self.codec, Status::Done, &output).expect("cannot encode the output");
        }
        outcomes
    }

    fn misbehave(&self, batch: &JobsView<'_>) -> Result<(), Closed> {
        let sender = &*self.link.sender;
        match self.plan.misbehavior {
            Exits => process::exit(5),
            NeverAnswers => hang(),
            GarbageOutcomes => self.send(message(Tag::Outcomes, &[0xff; 100])),
            GarbagePacket => sender.send(&[0xff; 100]),
            UnknownTag => sender.send(&[0, 99, 1, 2, 3]),
            SendsJobs => self.send(message(Tag::Jobs, &[0; 13])),
            LargePacket => sender.send(&vec![0; 100 << 10]),
            HugePacket => self.send_huge_packet(),
            HalfThenHangs => {
                self.send_half()?;
                hang()
            }
            HalfThenExits => {
                self.send_half()?;
                process::exit(5)
            }
            Nested => {
                self.send_half()?;
                self.send(self.answer(batch).finish(sys::clock::now(), 1000, true))
            }
            AnswersTwice => {
                self.send(self.answer(batch).finish(sys::clock::now(), 1000, true))?;
                self.send(self.answer(batch).finish(sys::clock::now(), 1000, true))
            }
            ForeignBatch => self.send(message(Tag::Outcomes, &[&[77; 8][..], &[0; 21]].concat())),
            TooManyOutcomes => {
                let mut outcomes = self.answer(batch);
                outcomes.push(self.codec, Status::Done, &7u64).expect("cannot encode the output");
                self.send(outcomes.finish(sys::clock::now(), 1000, true))
            }
            TooFewOutcomes => {
                self.send(OutcomesWriter::new(batch.batch).finish(sys::clock::now(), 1000, true))
            }
            UnsolicitedAck => self.send(Message::new(Tag::PartReceived)),
            UnsolicitedReport => self.send(pack(&FinalReport::Report(Vec::new()))),
            UnknownStatus => self.send(outcomes_of_bytes(batch, &[9, 7])),
            Undecodable => self.send(outcomes_of_bytes(batch, &[0, 255, 255])),
            OverwritesMemory => {
                overwrite::shared_memory(self.plan.seed);
                self.page.doorbell().ring();
                self.send(self.answer(batch).finish(sys::clock::now(), 1000, true))
            }
            WrongFiles => self.send(with_files(self.answer(batch), WRONG_FILES)),
            RepeatsFiles => {
                let file = Payload::create(&[&[7; 100_000]]).expect("cannot create a file");
                self.send(with_files(self.answer(batch), [(file.number(), 100_000); 2]))?;
                // The file has to be there when the parent opens it.
                hang()
            }
            AbsurdBusy => self.send(self.answer(batch).finish(sys::clock::now(), u64::MAX, true)),
            _ => self.send(self.answer(batch).finish(sys::clock::now(), 1000, true)),
        }
    }

    /// Sends more than fits into a socket, and rings the doorbell meanwhile: a sender that waits for room
    /// does not ring, and the parent would never read.
    fn send_huge_packet(&self) -> Result<(), Closed> {
        let (is_sent, page) = (AtomicBool::new(false), &self.page);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_sent.load(Ordering::Relaxed) {
                    page.doorbell().ring();
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let sent = self.link.sender.send(&vec![0; 10 << 20]);
            is_sent.store(true, Ordering::Relaxed);
            sent
        })
    }

    fn send_half(&self) -> Result<(), Closed> {
        const PART: u8 = 1;
        (0..20)
            .try_for_each(|_| self.link.sender.send(&[&[PART, Tag::Outcomes as u8][..], &[7; 9000]].concat()))
    }
}

fn message(tag: Tag, body: &[u8]) -> Message {
    let mut message = Message::new(tag);
    message.extend(body);
    message
}

/// Files that cannot be opened.
const WRONG_FILES: [(u32, u64); 6] = [(u32::MAX, 7), (0, 7), (1, u64::MAX), (2, 0), (2, 1), (99, 1 << 40)];

/// Returns an answer with a list of files.
fn with_files(outcomes: OutcomesWriter, files: impl IntoIterator<Item = (u32, u64)>) -> Message {
    const FLAGS: usize = 28;
    let mut body = outcomes.finish(sys::clock::now(), 1000, true).body().to_vec();
    body[FLAGS] |= 4;
    for (fd, length) in files {
        body.extend(fd.to_le_bytes());
        body.extend(length.to_le_bytes());
    }
    message(Tag::Outcomes, &body)
}

/// Returns an answer in which each outcome consists of these bytes.
fn outcomes_of_bytes(batch: &JobsView<'_>, bytes: &[u8]) -> Message {
    let mut answer = message(Tag::Outcomes, &batch.batch.0.to_le_bytes());
    answer.extend(&sys::clock::now().0.to_le_bytes());
    answer.extend(&1000u64.to_le_bytes());
    answer.extend(&batch.count.to_le_bytes());
    answer.extend(&[1]);
    for _ in 0..batch.count {
        answer.extend(&(bytes.len() as u32).to_le_bytes());
        answer.extend(bytes);
    }
    answer
}
