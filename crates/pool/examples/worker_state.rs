//! Creates a session once per worker and uses it for all jobs of that worker: 160 pages are fetched over one
//! session per worker instead of 160 sessions.
//!
//! Opening a session is expensive, and a session must not be used concurrently. Each worker therefore creates
//! its own from typed arguments and passes it to one job after another.
//!
//! `cargo run --release -p runner-pool --example worker_state`

use std::{collections::BTreeMap, error::Error, process};

use pool::{Executor, Job, ProcessPool, error::RemoteError, worker::Context};
use serde::{Deserialize, Serialize};

/// Arguments from which every worker creates its session.
#[derive(Clone, Serialize, Deserialize)]
struct Site {
    base: String,
}

/// A stand-in for a connection. It never leaves its worker, so it need not be serializable.
struct Session {
    base: String,
    fetched: u32,
}

impl Context for Session {
    type Args = Site;
    type Error = String;
    type Report = ();

    fn start(site: Site) -> Result<Session, String> {
        if !site.base.starts_with("https://") {
            return Err(format!("cannot connect to `{}`: not an https URL", site.base));
        }
        Ok(Session { base: site.base, fetched: 0 })
    }
}

#[derive(Serialize, Deserialize)]
struct Fetch(u32);

#[derive(Serialize, Deserialize)]
struct Page {
    address: String,
    /// Process ID of the worker whose session was used.
    session: u32,
    /// Number of pages that were fetched over the session, including this one.
    nth: u32,
}

impl Job for Fetch {
    const NAME: &'static str = "fetch";
    type Output = Page;
    type Error = RemoteError;
    type Context = Session;

    fn run(self, session: &mut Session) -> Result<Page, RemoteError> {
        session.fetched += 1;
        let address = format!("{}/{}", session.base, self.0);
        Ok(Page { address, session: process::id(), nth: session.fetched })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Fetch>();
    let site = Site { base: "https://example.org".to_owned() };
    let pool = ProcessPool::builder_with(site).workers(2).build()?;
    let mut last_of_session = BTreeMap::new();
    for page in pool.map((0..160).map(Fetch)) {
        let page = page?;
        if page.address.ends_with("/159") {
            println!("the last page is {}", page.address);
        }
        last_of_session.entry(page.session).and_modify(|nth| *nth = page.nth.max(*nth)).or_insert(page.nth);
    }
    println!("{} pages over all sessions", last_of_session.values().sum::<u32>());
    println!("at most one session per worker: {}", last_of_session.len() <= pool.workers());
    pool.join();

    // A context that cannot be created would fail in the next worker, too, so the pool reports the cause and
    // is broken.
    let broken = ProcessPool::builder_with(Site { base: "nowhere".to_owned() }).workers(1).build()?;
    if let Err(reason) = broken.submit(Fetch(0))?.join() {
        println!("{reason}");
    }
    Ok(())
}
