//! A job type with data that is shared between processes.

use std::{fs, io::Write, os::fd::AsRawFd, path::PathBuf, process};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pool::{
    Executor, Job, ProcessPool,
    data::{Blob, BlobWriter, Shared},
    worker::Context,
};
use serde::{Deserialize, Serialize, Serializer};

use crate::waiting::TIMEOUT;

/// A job with shared data.
#[derive(Debug, Serialize, Deserialize)]
pub enum Large {
    /// Returns the sum of the bytes.
    Sum(Blob),
    /// Returns this many bytes, each of them 1.
    Make(usize),
    /// Returns the bytes.
    Echo(Blob),
    /// Returns the sum of the worker's state.
    State,
    /// Returns the sum of the bytes, computed in a nested pool.
    Nested(Blob),
    /// Exits with code 5, unless the file exists; returns the sum of the bytes.
    ExitOnce(Blob, PathBuf),
    /// Exits with code 5.
    Exit,
    /// Returns a reference to a file that the worker may not pass on.
    Forge(Forgery),
    /// Returns bytes with a limit of this many descriptors.
    MakeWithin(u64),
    /// Writes bytes with a limit of the size of files, and then without; returns the errors of both and of
    /// the end.
    WriteWithin(u64),
    /// Returns the number of files with shared data that the worker has open.
    CountFiles(Vec<Blob>),
}

/// A forged reference.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Forgery {
    /// A descriptor that does not exist.
    NoDescriptor,
    /// A file of the worker that is not sealed.
    Unsealed,
    /// Another process's descriptor.
    OtherProcess(u32),
}

/// Output of a job.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Id of the worker.
    pub pid: u64,
    /// A sum.
    pub sum: u64,
    /// Memory of the worker's own in bytes.
    pub own_memory: u64,
    /// Bytes.
    #[serde(serialize_with = "serialize_data")]
    pub data: Data,
}

/// Bytes, or a forged reference to some, which is decoded like bytes.
#[derive(Debug, Deserialize)]
#[serde(from = "Blob")]
pub enum Data {
    /// Bytes.
    Blob(Blob),
    /// A reference that a pool would not make.
    Forged(Forgery),
}

impl From<Blob> for Data {
    fn from(blob: Blob) -> Data {
        Data::Blob(blob)
    }
}

impl Answer {
    fn new(sum: u64, blob: Blob) -> Answer {
        Answer { pid: process::id().into(), sum, own_memory: own_memory(), data: blob.into() }
    }

    /// Returns the bytes.
    ///
    /// # Panics
    /// If they are forged: in the parent they never are.
    #[must_use]
    pub fn blob(&self) -> &Blob {
        match &self.data {
            Data::Blob(blob) => blob,
            Data::Forged(_) => panic!("a forgery was decoded"),
        }
    }
}

fn serialize_data<S: Serializer>(data: &Data, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    enum Shared {
        #[expect(dead_code, reason = "the forged variant has to be the second")]
        Bytes(()),
        File {
            pid: u32,
            fd: u32,
            length: u64,
        },
    }
    let forgery = match data {
        Data::Blob(blob) => return blob.serialize(serializer),
        Data::Forged(forgery) => *forgery,
    };
    let forged = |pid, fd| Shared::File { pid, fd, length: 100_000 };
    match forgery {
        Forgery::NoDescriptor => forged(process::id(), u32::MAX).serialize(serializer),
        Forgery::OtherProcess(pid) => forged(pid, 0).serialize(serializer),
        Forgery::Unsealed => {
            let file = tempfile::tempfile().expect("cannot create a file");
            file.set_len(100_000).expect("cannot extend a file");
            forged(process::id(), file.as_raw_fd().unsigned_abs()).serialize(serializer)
        }
    }
}

/// Returns the memory of this process that it shares with no file, in bytes.
fn own_memory() -> u64 {
    memory_field(process::id().into(), "Anonymous:")
}

/// Returns a field of `/proc/PID/smaps_rollup` in bytes, for example `Pss:`.
///
/// # Panics
/// If there is no such process or field.
#[must_use]
pub fn memory_field(pid: u64, field: &str) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process has exited");
    let line = rollup.lines().find(|line| line.starts_with(field)).expect("no such field");
    let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    kilobytes.expect("not a number") << 10
}

/// Returns the number of files with shared data that a process has open.
///
/// # Panics
/// If there is no such process.
#[must_use]
pub fn open_files(pid: u64) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process has exited").flatten();
    let targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("memfd:runner-payload")).count()
}

/// Returns the sum of bytes.
#[must_use]
pub fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum()
}

/// Worker-local state.
pub struct Table(Shared<u64>);

impl Context for Table {
    type Args = Shared<u64>;
    type Error = String;
    type Report = ();

    fn start(items: Shared<u64>) -> Result<Table, String> {
        Ok(Table(items))
    }
}

impl Job for Large {
    const NAME: &'static str = "large";
    type Output = Answer;
    type Error = String;
    type Context = Table;

    fn run(self, table: &mut Table) -> Result<Answer, String> {
        match self {
            Large::Sum(blob) => Ok(Answer::new(sum(&blob), Blob::default())),
            Large::Make(length) => {
                let blob = Blob::with_len(length, |bytes| bytes.fill(1)).map_err(|e| e.to_string())?;
                Ok(Answer::new(length as u64, blob))
            }
            Large::Echo(blob) => Ok(Answer::new(0, blob)),
            Large::State => Ok(Answer::new(table.0.iter().sum(), Blob::default())),
            Large::Nested(blob) => nested(blob),
            Large::ExitOnce(blob, file) if file.exists() => Ok(Answer::new(sum(&blob), Blob::default())),
            Large::ExitOnce(_, file) => {
                fs::write(file, "").map_err(|error| error.to_string())?;
                process::exit(5)
            }
            Large::Exit => process::exit(5),
            Large::Forge(forgery) => {
                Ok(Answer { data: Data::Forged(forgery), ..Answer::new(0, Blob::default()) })
            }
            Large::MakeWithin(descriptors) => {
                let made = within(Resource::RLIMIT_NOFILE, descriptors, || Blob::with_len(100_000, |_| {}))?;
                Ok(Answer::new(0, made.map_err(|error| error.to_string())?))
            }
            Large::CountFiles(_blobs) => {
                Ok(Answer::new(open_files(process::id().into()) as u64, Blob::default()))
            }
            Large::WriteWithin(size) => {
                let mut writer = BlobWriter::new();
                let first = within(Resource::RLIMIT_FSIZE, size, || writer.write_all(&[7; 100_000]))?;
                let errors = [first, writer.write_all(&[7]), writer.finish().map(drop)];
                let errors: Vec<String> =
                    errors.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
                Err(errors.join("\n"))
            }
        }
    }
}

/// Calls a function with a limit of a resource.
fn within<R>(resource: Resource, limit: u64, call: impl FnOnce() -> R) -> Result<R, String> {
    let (soft, hard) = getrlimit(resource).map_err(|e| e.to_string())?;
    setrlimit(resource, limit, hard).map_err(|e| e.to_string())?;
    let result = call();
    setrlimit(resource, soft, hard).map_err(|e| e.to_string())?;
    Ok(result)
}

fn nested(blob: Blob) -> Result<Answer, String> {
    // The default worker program is this one, which is a worker.
    let pool = ProcessPool::builder_with(Shared::default()).workers(1).build().map_err(|e| e.to_string())?;
    let future = pool.submit(Large::Sum(blob)).map_err(|error| error.to_string())?;
    let answer = future.join_timeout(TIMEOUT).map_err(|error| error.to_string())?;
    pool.join();
    Ok(answer)
}
