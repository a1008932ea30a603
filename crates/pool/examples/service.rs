//! A TCP service whose requests run as jobs. A job is killed when its client leaves, and a request is refused
//! while the queue is full.
//!
//! A request is a line, `square N` or `forever`; the answer to it is a line, too. The program is its own
//! client: it makes requests, leaves without waiting for answers, and prints what it got.
//!
//! `cargo run --release -p runner-pool --example service`

use std::{
    error::Error,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use pool::{Executor, Job, ProcessPool, error::RemoteError};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

/// Maximum number of jobs that run or wait.
const MAX_JOBS: usize = 4;

#[derive(Serialize, Deserialize)]
enum Request {
    Square(u64),
    Forever,
}

impl Job for Request {
    const NAME: &'static str = "request";
    type Output = u64;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
        match self {
            Request::Square(n) => {
                n.checked_mul(n).ok_or_else(|| RemoteError::msg(format!("{n} squared overflows")))
            }
            Request::Forever => loop {
                thread::park();
            },
        }
    }
}

struct Service {
    pool: ProcessPool<Request>,
    free: Semaphore,
    abandoned: AtomicUsize,
}

impl Service {
    /// Accepts clients until it is dropped, and their tasks with it.
    async fn serve(self: Arc<Service>, listener: TcpListener) -> io::Result<()> {
        let mut clients = JoinSet::new();
        loop {
            let (client, _) = listener.accept().await?;
            clients.spawn(self.clone().serve_client(client));
        }
    }

    async fn serve_client(self: Arc<Service>, client: TcpStream) -> io::Result<()> {
        let mut client = BufReader::new(client);
        while let Some(line) = read_line(&mut client).await? {
            let Ok(_free) = self.free.try_acquire() else {
                client.write_all(b"busy\n").await?;
                continue;
            };
            let request = match line.strip_prefix("square ").map(str::parse) {
                Some(Ok(n)) => Request::Square(n),
                _ => Request::Forever,
            };
            let mut job = self.pool.submit(request).map_err(io::Error::other)?.cancel_on_drop();
            client.write_all(b"accepted\n").await?;
            // A client sends nothing while it waits, so it can only leave.
            let outcome = tokio::select! {
                outcome = &mut job => outcome,
                _ = client.fill_buf() => {
                    self.abandoned.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
            };
            let answer = outcome.map_or_else(|error| error.to_string(), |output| output.to_string());
            client.write_all(format!("{answer}\n").as_bytes()).await?;
        }
        Ok(())
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(line.strip_suffix('\n').map(str::to_owned))
}

/// Connects, sends a request and returns the first line of the answer.
async fn ask(address: SocketAddr, request: &str) -> io::Result<(BufReader<TcpStream>, Option<String>)> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    stream.write_all(format!("{request}\n").as_bytes()).await?;
    let line = read_line(&mut stream).await?;
    Ok((stream, line))
}

async fn run(service: &Arc<Service>) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(service.clone().serve(listener));

    let (mut stream, _) = ask(address, "square 12").await?;
    println!("square 12: {:?}", read_line(&mut stream).await?);

    let mut impatient = Vec::new();
    for _ in 0..MAX_JOBS {
        impatient.push(ask(address, "forever").await?.0);
    }
    println!("with {MAX_JOBS} jobs: {:?}", ask(address, "square 13").await?.1);

    drop(impatient);
    drop(service.free.acquire_many(MAX_JOBS as u32).await?); // each job has been killed
    println!("clients that left: {}", service.abandoned.load(Ordering::Relaxed));
    let (mut stream, _) = ask(address, "square 14").await?;
    println!("square 14: {:?}", read_line(&mut stream).await?);
    server.abort();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    // No `#[tokio::main]`, because a worker process must not start a runtime.
    pool::enter_if_worker::<Request>();
    let pool = ProcessPool::builder().workers(2).build()?;
    let service = Arc::new(Service { pool, free: Semaphore::new(MAX_JOBS), abandoned: AtomicUsize::new(0) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(run(&service))?;
    service.pool.join(); // returns, so no job is left
    println!("all jobs have ended");
    Ok(())
}
