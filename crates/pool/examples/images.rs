//! Decodes images that may be malicious, under limits: the decoder overflows its stack on one of them, hangs
//! on another and allocates 30 GB for a third. Each result is reported in order, and the pool goes on.
//!
//! `cargo run --release -p runner-pool --example images`

use std::{error::Error, time::Duration};

use pool::{Executor, Job, ProcessPool, error::RemoteError, output::WorkerStdio, worker::WatchedAllocator};
use serde::{Deserialize, Serialize};

/// Reports a failed allocation as such, instead of as a crash.
#[global_allocator]
static ALLOCATOR: WatchedAllocator = WatchedAllocator::system();

#[derive(Serialize, Deserialize)]
struct Decode(String);

impl Job for Decode {
    const NAME: &'static str = "decode";
    type Output = String;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<String, RemoteError> {
        decode(&self.0).map_err(RemoteError::msg)
    }
}

/// Decodes a text image such as `P2 2 1 255 0`: width, height and the brightness of each pixel. `P0` stands
/// for the image itself. Like many decoders, it trusts its input.
fn decode(image: &str) -> Result<String, String> {
    let (kind, data) = image.split_once(' ').unwrap_or((image, ""));
    if kind == "P0" {
        return decode(image).map_err(|error| format!("embedded image: {error}"));
    }
    if kind != "P2" {
        return Err(format!("unknown format `{kind}`"));
    }
    let numbers: Result<Vec<usize>, _> = data.split_whitespace().map(str::parse).collect();
    let numbers = numbers.map_err(|error| error.to_string())?;
    let [width, height, brightness @ ..] = &numbers[..] else { return Err("no size".to_owned()) };
    let mut pixels = vec![0; width * height];
    let mut read = 0;
    while read < brightness.len() {
        pixels[read..read + width].copy_from_slice(&brightness[read..read + width]);
        read += width;
    }
    Ok(format!("{width}x{height}, mean brightness {}", pixels.iter().sum::<usize>() / pixels.len().max(1)))
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Decode>();
    let images = [
        ("photo", "P2 2 2 10 20 30 40"),
        ("text", "GIF89a"),
        ("truncated", "P2 3 2 10 20 30 40"),
        ("recursive", "P0"),
        ("no-width", "P2 0 1 10"),
        ("huge", "P2 60000 60000"),
        ("icon", "P2 1 1 255"),
    ];
    let pool = ProcessPool::builder()
        .time_limit(Duration::from_millis(500))
        .max_memory(512 << 20)
        .retries(0)
        .stderr(WorkerStdio::Null) // messages of the crashes
        .build()?;
    let jobs = images.map(|(_, image)| Decode(image.to_owned()));
    for ((name, _), result) in images.iter().zip(pool.map(jobs)) {
        match result {
            Ok(decoded) => println!("{name}: {decoded}"),
            Err(error) => println!("{name}: {error}"),
        }
    }
    pool.join();
    Ok(())
}
