//! A NATS server for a single test, nodes that serve its queue, and a proxy that cuts connections.

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

/// Time limit of all waits.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the path of `nats-server` if it is installed.
fn server_program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file())
}

/// Returns whether tests of clusters can run: `nats-server` is installed and `runner` was built with the
/// feature `cluster`. Prints the reason if not.
///
/// # Panics
/// If they cannot run and `RUNNER_REQUIRE_NATS=1` is set.
#[must_use]
pub fn can_run() -> bool {
    let missing = if server_program().is_none() {
        Some("nats-server is not installed")
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

/// A server on a free port that stores its data in a temporary directory.
pub struct Nats {
    folder: tempfile::TempDir,
    /// Chosen by the server at its first start and kept on restarts.
    port: Option<u16>,
    arguments: Vec<String>,
    server: Option<Child>,
    scheme: &'static str,
}

impl Nats {
    /// Starts a server with JetStream; returns `None` if the test [cannot run](can_run).
    #[must_use]
    pub fn start() -> Option<Nats> {
        Nats::start_with(&["-js"], "")
    }

    /// Starts a server with these arguments and this configuration; returns `None` if the test [cannot
    /// run](can_run).
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_with(arguments: &[&str], configuration: &str) -> Option<Nats> {
        if !can_run() {
            return None;
        }
        let folder = tempfile::tempdir().expect("cannot create a directory");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut all: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        fs::write(path("server.conf"), configuration).expect("cannot write to the directory");
        all.extend(["-sd".to_owned(), path("store"), "-c".to_owned(), path("server.conf")]);
        all.extend(["--ports_file_dir".to_owned(), path("")]);
        let mut nats = Nats { folder, port: None, arguments: all, server: None, scheme: "nats" };
        nats.start_server();
        Some(nats)
    }

    /// Uses `tls://` in the URL.
    #[must_use]
    pub fn with_tls(mut self) -> Nats {
        self.scheme = "tls";
        self
    }

    /// Starts the server, with its previous data and port, and waits until it listens.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_server(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"));
        let mut command = Command::new(server_program().expect("nats-server has disappeared"));
        let port = self.port.map_or("-1".to_owned(), |port| port.to_string());
        command.args(&self.arguments).args(["-a", "127.0.0.1", "-p", &port]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("cannot write to the directory"));
        let pid = self.server.insert(command.spawn().expect("cannot start the server")).id();
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
        let ended =
            self.server.as_mut().and_then(|server| server.try_wait().expect("cannot wait for the server"));
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(ended.is_none(), "the server has exited: {}", log());
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Kills the server and starts it again.
    pub fn restart(&mut self) {
        self.kill();
        self.start_server();
    }

    /// Returns the URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port())
    }

    /// Returns the port of the server.
    ///
    /// # Panics
    /// If the server has not been started.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.expect("the server has not been started")
    }

    /// Returns a path in the server's temporary directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns an invocation of `runner` with these arguments that uses the queue `q` of this server.
    #[must_use]
    pub fn call(&self, arguments: &[&str]) -> Call {
        let (url, arguments) = (self.url(), arguments.to_vec());
        runner(arguments).with(|command| {
            let command = command.env("RUNNER_CLUSTER", url).env("RUNNER_QUEUE", "q");
            command.env_remove("RUNNER_CLUSTER_PASSWORD").env_remove("RUNNER_CLUSTER_TOKEN")
        })
    }

    /// Starts a node with these further arguments and waits until it serves.
    #[must_use]
    pub fn node(&self, arguments: &[&str]) -> Node {
        Node::start(self.call(&[&["node", "-v"], arguments].concat()), self.folder.path())
    }

    /// Calls `act` with a connection to the server.
    ///
    /// # Panics
    /// If the server cannot be reached.
    pub fn jetstream<T>(&self, act: impl AsyncFnOnce(jetstream::Context) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("cannot create a runtime").block_on(async {
            let client = async_nats::connect(self.url()).await.expect("cannot reach the server");
            act(jetstream::new(client)).await
        })
    }

    /// Returns the output of `runner cluster status --json`.
    ///
    /// # Panics
    /// If the command fails.
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        let output = self.call(&["cluster", "status", "--json"]).run();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        serde_json::from_slice(&output.stdout).expect("the status is not JSON")
    }
}

/// Reads the port from the server's ports file; `None` until the file is complete.
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

/// A running node.
pub struct Node {
    /// The process.
    pub running: Running,
    log: PathBuf,
}

impl Node {
    /// Starts a node and waits until it serves.
    ///
    /// # Panics
    /// If it does not serve in time.
    #[must_use]
    pub fn start(call: Call, folder: &Path) -> Node {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let log = folder.join(format!("node-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let file = File::create(&log).expect("cannot write to the directory");
        let node = Node { running: call.with(|command| command.stderr(file)).start_raw(), log };
        node.wait_for_log("serves the queue");
        node
    }

    /// Returns what the node has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log contains a text.
    ///
    /// # Panics
    /// On a timeout.
    pub fn wait_for_log(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < WAIT_TIMEOUT, "timed out waiting for {text:?} in {:?}", self.log());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal, waits for the exit, and returns the output and the log.
    #[must_use]
    pub fn end(self, signal: nix::sys::signal::Signal) -> (crate::Output, String) {
        self.running.signal(signal);
        let output = self.running.wait();
        (output, fs::read_to_string(&self.log).unwrap_or_default())
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// On a timeout.
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < WAIT_TIMEOUT, "timed out waiting until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads `count` lines of the output of a running program.
///
/// # Panics
/// If the output is not left to the caller, or ends before.
pub fn read_lines(running: &mut Running, count: usize) {
    let stdout = running.child.stdout.take().expect("the output is not piped");
    let mut lines = BufReader::new(stdout).lines();
    for _ in 0..count {
        lines.next().expect("the output ended early").expect("cannot read the output");
    }
}

/// A TCP proxy in front of a server that can cut the connections.
pub struct Proxy {
    port: u16,
    cut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Starts a proxy to this port.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn to(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("no port is free");
        let port = listener.local_addr().expect("cannot read the port").port();
        let proxy = Proxy { port, cut: Arc::default(), streams: Arc::default() };
        let (cut, streams) = (proxy.cut.clone(), proxy.streams.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // If the server is down, the client's connection is closed.
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let cut = cut.clone();
                    thread::spawn(move || forward(from, to, &cut));
                }
                streams.lock().unwrap_or_else(PoisonError::into_inner).extend([client, server]);
            }
        });
        proxy
    }

    /// Returns the URL of the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Discards all data from now on, without closing the connections.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// Closes the old connections and forwards data of new ones again.
    pub fn restore(&self) {
        self.cut.store(false, Ordering::SeqCst);
        let streams = std::mem::take(&mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner));
        streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut chunk = [0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        if !cut.load(Ordering::SeqCst) && to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
