//! State that is made once in each worker and serves all of its jobs: 160 pages are fetched over as many sessions as
//! there are workers, not over 160.
//!
//! Opening a session is expensive, and a session is not to be used by two at a time. Each worker therefore has one of
//! its own, made of arguments that have a type, and lends it to one job after the other.
//!
//! `cargo run --release -p pool --example worker_state`

use std::{collections::BTreeMap, error::Error, process};

use pool::{Context, Executor, Job, ProcessPool};
use serde::{Deserialize, Serialize};

/// What every worker is told about its session.
#[derive(Clone, Serialize, Deserialize)]
struct Site {
    base: String,
}

/// A stand-in for a connection: it lives in one worker, so it need not be serializable.
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
            return Err(format!("`{}` is no address to connect to", site.base));
        }
        Ok(Session { base: site.base, fetched: 0 })
    }
}

#[derive(Serialize, Deserialize)]
struct Fetch(u32);

#[derive(Serialize, Deserialize)]
struct SharedPage {
    address: String,
    /// Whose session it came over, and how many pages had come over it by then.
    session: u32,
    nth: u32,
}

impl Job for Fetch {
    const NAME: &'static str = "fetch";
    type Output = SharedPage;
    type Error = String;
    type Context = Session;

    fn run(self, session: &mut Session) -> Result<SharedPage, String> {
        session.fetched += 1;
        let address = format!("{}/{}", session.base, self.0);
        Ok(SharedPage { address, session: process::id(), nth: session.fetched })
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
    println!("no more sessions than workers: {}", last_of_session.len() <= pool.workers());
    pool.shutdown(true, false);

    // A state that cannot be made would fail in the next worker too, so the pool says why and gives up.
    let broken = ProcessPool::builder_with(Site { base: "nowhere".to_owned() }).workers(1).build()?;
    if let Err(reason) = broken.submit(Fetch(0))?.take(None)? {
        println!("{reason}");
    }
    Ok(())
}
