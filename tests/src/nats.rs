//! A NATS server of a test's own, nodes that serve it, and what can happen to them.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use async_nats::jetstream;

use crate::{Call, Running, runner};

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// `nats-server`, if this machine has it.
fn server_program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file())
}

/// Whether this test can be run: there is a server, and `runner` was built with the feature `cluster`. If not it says so, and
/// with `RUNNER_REQUIRE_NATS=1` it fails.
///
/// # Panics
/// When it cannot be run and has to be.
#[must_use]
pub fn can_run() -> bool {
    let missing = if server_program().is_none() {
        Some("there is no nats-server")
    } else if runner(["cluster"]).run().stderr.contains("without the feature") {
        Some("runner was built without the feature `cluster`")
    } else {
        None
    };
    let Some(missing) = missing else { return true };
    assert!(env::var_os("RUNNER_REQUIRE_NATS").is_none_or(|value| value != "1"), "{missing}");
    eprintln!("NOT RUN: {missing}");
    false
}

/// A server on a port of its own, with what it stores in a folder of its own.
pub struct Nats {
    folder: tempfile::TempDir,
    /// It chooses one at its first start, and keeps that.
    port: Option<u16>,
    arguments: Vec<String>,
    server: Option<Child>,
    scheme: &'static str,
}

impl Nats {
    /// A server with JetStream; `None` if this test [cannot be run](can_run).
    #[must_use]
    pub fn start() -> Option<Nats> {
        Nats::start_with(&["-js"], "")
    }

    /// A server with these arguments, and this configuration.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with(arguments: &[&str], configuration: &str) -> Option<Nats> {
        if !can_run() {
            return None;
        }
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut all: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        fs::write(path("server.conf"), configuration).expect("the folder can be written to");
        all.extend(["-sd".to_owned(), path("store"), "-c".to_owned(), path("server.conf")]);
        all.extend(["--ports_file_dir".to_owned(), path("")]);
        let mut nats = Nats { folder, port: None, arguments: all, server: None, scheme: "nats" };
        nats.go_on();
        Some(nats)
    }

    /// Says `tls://` in the address.
    #[must_use]
    pub fn encrypted(mut self) -> Nats {
        self.scheme = "tls";
        self
    }

    /// Starts the server again where it was, and waits until it listens.
    ///
    /// # Panics
    /// When it does not start.
    pub fn go_on(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"));
        let mut command = Command::new(server_program().expect("it was there"));
        let port = self.port.map_or("-1".to_owned(), |port| port.to_string());
        command.args(&self.arguments).args(["-a", "127.0.0.1", "-p", &port]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("the folder can be written to"));
        let pid = self.server.insert(command.spawn().expect("the server can be started")).id();
        let ports = self.folder.path().join(format!("nats-server_{pid}.ports"));
        wait_until("the server listens", || {
            self.expect_alive();
            self.port = self.port.or_else(|| written_port(&ports));
            let stream = self.port.and_then(|port| TcpStream::connect(("127.0.0.1", port)).ok());
            let mut greeting = [0; 4];
            stream.is_some_and(|mut stream| stream.read_exact(&mut greeting).is_ok() && &greeting == b"INFO")
        });
    }

    fn expect_alive(&mut self) {
        let ended = self.server.as_mut().and_then(|server| server.try_wait().expect("it is our child"));
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(ended.is_none(), "the server has ended: {}", log());
    }

    /// Ends the server by SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Kills the server and starts it again.
    pub fn restart(&mut self) {
        self.kill();
        self.go_on();
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port())
    }

    /// Its port.
    ///
    /// # Panics
    /// When it has none yet, which cannot be after its start.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.expect("it has been started")
    }

    /// A path in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `runner` with these arguments and this server's queue `q`.
    #[must_use]
    pub fn call(&self, arguments: &[&str]) -> Call {
        let (url, arguments) = (self.url(), arguments.to_vec());
        runner(arguments).with(|command| {
            let command = command.env("RUNNER_CLUSTER", url).env("RUNNER_QUEUE", "q");
            command.env_remove("RUNNER_CLUSTER_PASSWORD").env_remove("RUNNER_CLUSTER_TOKEN")
        })
    }

    /// A node with these further arguments, as soon as it serves.
    #[must_use]
    pub fn node(&self, arguments: &[&str]) -> Node {
        Node::start(self.call(&[&["node", "-v"], arguments].concat()), self.folder.path())
    }

    /// Does something with the server that `runner` does not.
    ///
    /// # Panics
    /// When it cannot be reached.
    pub fn jetstream<T>(&self, act: impl AsyncFnOnce(jetstream::Context) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(async {
            let client = async_nats::connect(self.url()).await.expect("the server can be reached");
            act(jetstream::new(client)).await
        })
    }

    /// What `runner cluster status --json` says.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        let output = self.call(&["cluster", "status", "--json"]).run();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        serde_json::from_slice(&output.stdout).expect("the status is JSON")
    }
}

/// The port that a server says it has chosen; nothing before the file is whole.
fn written_port(file: &Path) -> Option<u16> {
    let ports: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let address = ports["nats"][0].as_str()?;
    address.rsplit_once(':')?.1.parse().ok()
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A node under way.
pub struct Node {
    /// The call.
    pub running: Running,
    log: PathBuf,
}

impl Node {
    /// Starts a node and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(call: Call, folder: &Path) -> Node {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let log = folder.join(format!("node-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let file = File::create(&log).expect("the folder can be written to");
        let node = Node { running: call.with(|command| command.stderr(file)).start_bare(), log };
        node.until("serves the queue");
        node
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said something.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn until(&self, words: &str) {
        let start = Instant::now();
        while !self.log().contains(words) {
            assert!(start.elapsed() < PATIENCE, "waited in vain for {words:?} in {:?}", self.log());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends it a signal and waits for its end; what it has said.
    #[must_use]
    pub fn end(self, signal: nix::sys::signal::Signal) -> (crate::Output, String) {
        self.running.signal(signal);
        let output = self.running.wait();
        (output, fs::read_to_string(&self.log).unwrap_or_default())
    }
}

/// Waits until something is true.
///
/// # Panics
/// When it does not become true in time.
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads lines of a run's output while it goes on, until so many have come.
///
/// # Panics
/// When the output is not left to the caller, or ends before.
pub fn read_lines(running: &mut Running, count: usize) {
    let stdout = running.child.stdout.take().expect("the output is piped");
    let mut lines = BufReader::new(stdout).lines();
    for _ in 0..count {
        lines.next().expect("there are more lines").expect("the output can be read");
    }
}

/// Stands between somebody and a server, and can cut the line.
pub struct Proxy {
    port: u16,
    cut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// A way to this port.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn to(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let proxy = Proxy { port, cut: Arc::default(), streams: Arc::default() };
        let (cut, streams) = (proxy.cut.clone(), proxy.streams.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Nobody answers on a line that is cut.
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let cut = cut.clone();
                    thread::spawn(move || carry(from, to, &cut));
                }
                streams.lock().unwrap_or_else(PoisonError::into_inner).extend([client, server]);
            }
        });
        proxy
    }

    /// The address of this way.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From now on everything is dropped, and no side hears of it.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// The old lines are closed, and new ones carry again.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
        let streams = std::mem::take(&mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner));
        streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut chunk = [0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        if !cut.load(Ordering::SeqCst) && to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
