//! A TCP service whose requests run as jobs. A job is killed when its client leaves, and a request is refused
//! while the queue of the pool is full.
//!
//! A request is a line, `square N` or `forever`. The answer to it is a line, too, after the line `accepted`
//! if a job was submitted. The program is its own client: it makes requests, leaves without waiting for
//! answers, and prints what it got.
//!
//! `cargo run --release -p runner-pool --example service`

use std::{error::Error, io, net::SocketAddr, str::FromStr, sync::Arc, thread, time::Duration};

use pool::{
    Executor, Job, ProcessPool,
    error::{RemoteError, TrySubmitError},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time,
};

/// Maximum number of jobs that are not assigned to a worker.
const MAX_QUEUED: usize = 4;

#[derive(Serialize, Deserialize)]
enum Request {
    Square(u64),
    Forever,
}

// Serves in a worker process before `main`, so that no runtime is started there.
pool::worker!(Request);

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

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Request, String> {
        match line.split_once(' ') {
            None if line == "forever" => Ok(Request::Forever),
            Some(("square", n)) => n.parse().map(Request::Square).map_err(|error| error.to_string()),
            _ => Err(format!("unknown request `{line}`")),
        }
    }
}

struct Service {
    pool: ProcessPool<Request>,
    /// Number of clients that left while their job was waiting or running.
    left: watch::Sender<u64>,
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
            let Some(answer) = self.answer(&line, &mut client).await? else {
                self.left.send_modify(|left| *left += 1);
                break;
            };
            client.write_all(format!("{answer}\n").as_bytes()).await?;
        }
        Ok(())
    }

    /// Returns the answer to a request, or `None` if the client leaves before there is one.
    async fn answer(&self, line: &str, client: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
        let request = match line.parse() {
            Ok(request) => request,
            Err(error) => return Ok(Some(error)),
        };
        let mut job = match self.pool.try_submit(request) {
            Ok(job) => job.cancel_on_drop(),
            Err(TrySubmitError::Full(_)) => return Ok(Some("busy".to_owned())),
            Err(error) => return Ok(Some(error.to_string())),
        };
        client.write_all(b"accepted\n").await?;
        // A client sends nothing while it waits, so it can only leave.
        let outcome = tokio::select! {
            outcome = &mut job => outcome,
            _ = client.fill_buf() => return Ok(None),
        };
        Ok(Some(outcome.map_or_else(|error| error.to_string(), |output| output.to_string())))
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

/// Makes a request, again and again while the service is busy, and returns the answer.
async fn ask_until_accepted(address: SocketAddr, request: &str) -> io::Result<Option<String>> {
    loop {
        let (mut stream, line) = ask(address, request).await?;
        match line.as_deref() {
            Some("accepted") => return read_line(&mut stream).await,
            Some("busy") => time::sleep(Duration::from_millis(10)).await,
            _ => return Ok(line),
        }
    }
}

/// Makes requests for jobs that do not end until one is refused. Returns the clients of the others, and the
/// answer to the last one.
async fn fill(address: SocketAddr) -> io::Result<(Vec<BufReader<TcpStream>>, Option<String>)> {
    let mut clients = Vec::new();
    loop {
        let (client, line) = ask(address, "forever").await?;
        if line.as_deref() != Some("accepted") {
            return Ok((clients, line));
        }
        clients.push(client);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = ProcessPool::builder().workers(2).max_queued(MAX_QUEUED).build()?;
    let service = Arc::new(Service { pool, left: watch::Sender::new(0) });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(service.clone().serve(listener));

    println!("square 12: {:?}", ask_until_accepted(address, "square 12").await?);
    println!("cube 12: {:?}", ask_until_accepted(address, "cube 12").await?);

    // The queue is full later than after `MAX_QUEUED` requests, because jobs are sent ahead to busy workers.
    let (clients, refusal) = fill(address).await?;
    println!("with a full queue: {refusal:?}");

    let expected = clients.len() as u64;
    drop(clients);
    service.left.subscribe().wait_for(|&left| left == expected).await?;
    println!("square 14: {:?}", ask_until_accepted(address, "square 14").await?);

    server.abort();
    service.pool.shutdown().await; // returns, so no job is left
    println!("jobs killed when their clients left: {}", service.pool.counts().cancelled == expected);
    Ok(())
}
