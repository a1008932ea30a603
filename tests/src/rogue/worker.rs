//! The program.

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
use pool::{CodecKind, Job};
use sys::shared_page::SharedPage;
use wire::{
    Closed, Inbox, Link, Message, PROTOCOL_VERSION, Role, Tag, Transport,
    batch::{JobsView, OutcomesWriter, Status},
    handshake::{FinalReport, Hello, Started, Welcome, pack, unpack},
    join, ring,
};

use super::{Plan, Wrong, spoil};
use crate::{probe::Probe, program};
use Wrong::{
    AbsurdBusy, AnswersTwice, ConnectsAndStays, Dies, DiesInHandshake, Disconnects, EarlyReceipt,
    ExitsAtOnce, ForeignBatch, GarbageHello, GarbageOutcomes, GarbagePacket, HalfThenDeath, HalfThenSilence,
    HugePacket, Knocks, KnocksAndStays, LargePacket, LeavesAtOnce, Nested, NeverAnswers, NeverLeaves,
    NeverReady, OtherJobs, OtherVersion, RingsOnly, SaysNothing, SendsJobs, SpoilsMemory, SpoiltHello,
    StaysAway, TooFew, TooMany, UnaskedFarewell, UnaskedReceipt, Undecodable, UnknownStatus, UnknownTag,
};

/// The whole program.
///
/// # Panics
/// When it was not started as a worker, with a plan in its environment.
pub fn main() -> ! {
    let plan = Plan::of_this_process();
    let role = Role::of_this_process().expect("started by a pool");
    let job_type = role.job_type();
    if !plan.applies() {
        behave(role);
    }
    if plan.wrong == NeverLeaves {
        SigSet::from(Signal::SIGTERM).thread_block().expect("SIGTERM can be blocked");
    }
    let page = role.open_page();
    let page = Arc::new(page.expect("a page"));
    let link = meet(plan.wrong, role.rendezvous(), &page);
    let rogue = Rogue {
        plan,
        link,
        codec: CodecKind::default(),
        transport: Transport::default(),
        page,
        knows_the_jobs: job_type == Probe::NAME,
    };
    let _ = rogue.live(job_type);
    process::exit(0)
}

/// Is a good worker.
fn behave(role: &Role) -> ! {
    if role.job_type() == Probe::NAME {
        pool::serve_as_worker::<Probe>();
    }
    let (name, value) = role.variable();
    panic!("{}", Command::new(program("worker")).env(name, value).exec());
}

fn meet(wrong: Wrong, rendezvous: &str, page: &Arc<SharedPage>) -> Link {
    match wrong {
        ExitsAtOnce => process::exit(5),
        StaysAway => linger(),
        RingsOnly => {
            page.door().ring();
            linger()
        }
        Knocks | KnocksAndStays => {
            let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None);
            let socket = socket.expect("a socket can be made");
            connect(socket.as_raw_fd(), &UnixAddr::new(rendezvous).expect("a path")).expect("somebody waits");
            send(socket.as_raw_fd(), &[7; 40], MsgFlags::empty()).expect("there is room");
            if wrong == Knocks {
                page.door().ring();
                process::exit(5);
            }
            linger()
        }
        ConnectsAndStays => {
            let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None);
            let socket = socket.expect("a socket can be made");
            connect(socket.as_raw_fd(), &UnixAddr::new(rendezvous).expect("a path"))
                .expect("the parent waits");
            page.door().ring();
            linger()
        }
        _ => join(rendezvous, page.clone()).expect("the parent waits"),
    }
}

/// Sends a packet into each socket that claims to be the first of many, and has nothing through which the others could come.
fn spoil_sockets() {
    let packet: Vec<u8> = [40u64, 1 << 20, 7, 7, 7].iter().flat_map(|word| word.to_ne_bytes()).collect();
    for fd in 3..20 {
        let _ = send(fd, &packet, MsgFlags::MSG_DONTWAIT);
    }
}

fn linger() -> ! {
    loop {
        thread::sleep(Duration::from_secs(1000));
    }
}

struct Rogue {
    plan: Plan,
    link: Link,
    codec: CodecKind,
    transport: Transport,
    page: Arc<SharedPage>,
    /// What it takes to answer, which it can for one type of job.
    knows_the_jobs: bool,
}

impl Rogue {
    fn live(mut self, job_type: &str) -> Result<(), Closed> {
        let (_, nobody) = wire::memory_pair();
        let mut inbox = Inbox::new(std::mem::replace(&mut self.link.receiver, nobody.receiver));
        self.handshake(job_type, &mut inbox)?;
        if self.transport == Transport::Rings {
            self.link = ring::worker_link(self.page.clone());
            inbox = Inbox::new(std::mem::replace(&mut self.link.receiver, wire::memory_pair().1.receiver));
        }
        for count in 0.. {
            let message = match inbox.receive(|| self.say(Message::new(Tag::PartReceived))) {
                Ok(message) => message,
                Err(_) if self.plan.wrong == NeverLeaves => linger(),
                Err(error) => return Err(error),
            };
            let batch = JobsView::read(&message).expect("a parent sends jobs");
            if count < self.plan.good_batches {
                self.say(self.answer(&batch).finish(sys::clock::now(), 1000, true))?;
                continue;
            }
            if self.plan.publishes {
                self.page.enter(batch.batch, 0, batch.flags.starts.then(sys::clock::now));
            }
            if self.plan.wrong == Disconnects {
                drop((inbox, self));
                linger();
            }
            self.go_wrong(&batch)?;
        }
        Ok(())
    }

    fn say(&self, message: Message) -> Result<(), Closed> {
        wire::send(&*self.link.sender, message)
    }

    fn handshake(&mut self, job_type: &str, inbox: &mut Inbox) -> Result<(), Closed> {
        let hello = Hello::new(job_type);
        match self.plan.wrong {
            SaysNothing => linger(),
            LeavesAtOnce => process::exit(5),
            OtherVersion => self.say(pack(&Hello { protocol: PROTOCOL_VERSION + 1, ..hello }))?,
            OtherJobs => self.say(pack(&Hello::new("others")))?,
            GarbageHello => self.say(pack(&[0xffu8; 30]))?,
            SpoiltHello => {
                spoil_sockets();
                linger()
            }
            _ => self.say(pack(&hello))?,
        }
        match self.plan.wrong {
            DiesInHandshake => process::exit(5),
            EarlyReceipt => self.say(Message::new(Tag::PartReceived))?,
            _ => {}
        }
        let welcome = inbox.receive(|| self.say(Message::new(Tag::PartReceived)))?;
        let welcome: Welcome = unpack(&welcome).expect("a parent says welcome");
        self.codec = CodecKind::from_number(welcome.codec).expect("a codec of this build");
        self.transport = welcome.transport;
        if self.plan.wrong == NeverReady {
            linger();
        }
        self.say(pack(&Started::Ready))
    }

    /// What a good worker would say; nothing of jobs that it does not know.
    fn answer(&self, batch: &JobsView<'_>) -> OutcomesWriter {
        let mut outcomes = OutcomesWriter::new(batch.batch);
        for payload in batch.payloads().filter(|_| self.knows_the_jobs) {
            let job: Probe = self.codec.decode(payload).expect("a probe");
            let output = job.run(&mut ()).expect("a job that succeeds");
            outcomes.push(self.codec, Status::Done, &output).expect("a number can be encoded");
        }
        outcomes
    }

    fn go_wrong(&self, batch: &JobsView<'_>) -> Result<(), Closed> {
        let sender = &*self.link.sender;
        match self.plan.wrong {
            Dies => process::exit(5),
            NeverAnswers => linger(),
            GarbageOutcomes => self.say(message(Tag::Outcomes, &[0xff; 100])),
            GarbagePacket => sender.send(&[0xff; 100]),
            UnknownTag => sender.send(&[0, 99, 1, 2, 3]),
            SendsJobs => self.say(message(Tag::Jobs, &[0; 13])),
            LargePacket => sender.send(&vec![0; 100 << 10]),
            HugePacket => self.send_huge_packet(),
            HalfThenSilence => {
                self.send_half()?;
                linger()
            }
            HalfThenDeath => {
                self.send_half()?;
                process::exit(5)
            }
            Nested => {
                self.send_half()?;
                self.say(self.answer(batch).finish(sys::clock::now(), 1000, true))
            }
            AnswersTwice => {
                self.say(self.answer(batch).finish(sys::clock::now(), 1000, true))?;
                self.say(self.answer(batch).finish(sys::clock::now(), 1000, true))
            }
            ForeignBatch => self.say(message(Tag::Outcomes, &[&[77; 8][..], &[0; 21]].concat())),
            TooMany => {
                let mut outcomes = self.answer(batch);
                outcomes.push(self.codec, Status::Done, &7u64).expect("a number can be encoded");
                self.say(outcomes.finish(sys::clock::now(), 1000, true))
            }
            TooFew => self.say(OutcomesWriter::new(batch.batch).finish(sys::clock::now(), 1000, true)),
            UnaskedReceipt => self.say(Message::new(Tag::PartReceived)),
            UnaskedFarewell => self.say(pack(&FinalReport::Report(Vec::new()))),
            UnknownStatus => self.say(outcomes_of_bytes(batch, &[9, 7])),
            Undecodable => self.say(outcomes_of_bytes(batch, &[0, 255, 255])),
            SpoilsMemory => {
                spoil::memory(self.plan.seed);
                self.page.door().ring();
                self.say(self.answer(batch).finish(sys::clock::now(), 1000, true))
            }
            AbsurdBusy => self.say(self.answer(batch).finish(sys::clock::now(), u64::MAX, true)),
            _ => self.say(self.answer(batch).finish(sys::clock::now(), 1000, true)),
        }
    }

    /// Sends more than fits a socket. It rings meanwhile: a sender that waits for room does not ring, which is as good as no
    /// answer.
    fn send_huge_packet(&self) -> Result<(), Closed> {
        let (is_sent, page) = (AtomicBool::new(false), &self.page);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_sent.load(Ordering::Relaxed) {
                    page.door().ring();
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

/// An answer in which each outcome consists of these bytes.
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
