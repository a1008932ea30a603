//! A program that knows nothing of workers: a library that it uses has a pool, with `worker!` as its entry.
//! Before it uses the library, it prints a line and starts a thread.

use std::{env, sync::mpsc::channel, thread};

use end_to_end::entry_checks::{Check, run};

fn main() {
    println!("main");
    let (end, ended) = channel::<()>();
    let thread = thread::spawn(move || ended.recv());
    let mut arguments = env::args().skip(1);
    let check = match arguments.next().as_deref() {
        Some("threads") => Check::Threads,
        Some("ignored-signals") => Check::IgnoredSignals,
        Some("descriptor") => {
            Check::Descriptor(arguments.next().and_then(|number| number.parse().ok()).expect("no number"))
        }
        Some("recurse") => Check::Recurse(u64::MAX / 2),
        Some("print") => Check::Print("printed by a job\n".to_owned()),
        other => panic!("unknown action {other:?}"),
    };
    match run(check) {
        Ok(result) => println!("{result}"),
        Err(error) => println!("error: {error}"),
    }
    drop(end);
    let _ = thread.join();
}
