//! Data that needs more descriptors than a process may have. The limit is that of this process, so there is
//! one test.

use std::io::Write;

use end_to_end::{
    Case,
    large_data::{Large, open_files},
    probe::{TIMEOUT, finish, transport},
    program,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pool::{
    Executor, ProcessPool,
    data::{Blob, BlobWriter, Shared},
};

const LIMIT: u64 = 128;

/// Number of values; each would take a descriptor.
const COUNT: usize = 1000;

const LENGTH: usize = 70_000;

fn blobs() -> impl Iterator<Item = Blob> {
    (0..COUNT).map(|n| match n % 4 {
        0 => Blob::with_len(LENGTH, |bytes| bytes.fill(1)).unwrap(),
        1 => Blob::from_slice(&[1; LENGTH]).unwrap(),
        2 => Blob::from(vec![1; LENGTH]),
        _ => {
            let mut writer = BlobWriter::new();
            (0..LENGTH / 1000).for_each(|_| writer.write_all(&[1; 1000]).unwrap());
            writer.finish().unwrap()
        }
    })
}

/// Checks that this process has descriptors left for other uses.
fn check_others() {
    let count = open_files(std::process::id().into()) as u64;
    assert!((1..=LIMIT / 2).contains(&count), "{count} files with data are open");
    (0..40).map(|_| std::fs::File::open("/dev/null")).collect::<Result<Vec<_>, _>>().unwrap();
}

#[test]
fn more_data_than_descriptors() {
    let _case = Case::begin();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, LIMIT, hard).unwrap();
    let builder = ProcessPool::builder_with(Shared::default()).workers(2);
    let pool = builder.worker_program(program("probe-worker")).transport(transport()).build().unwrap();
    let sum = LENGTH as u64;

    let futures: Vec<_> = blobs().map(|blob| pool.submit(Large::Sum(blob)).unwrap()).collect();
    assert!(futures.iter().all(|future| future.join_timeout(TIMEOUT).unwrap().sum == sum));

    let held: Vec<_> = blobs().collect();
    check_others();
    assert!(held.iter().all(|blob| blob.len() == LENGTH && blob.iter().all(|&byte| byte == 1)));
    let futures: Vec<_> = held.iter().map(|blob| pool.submit(Large::Echo(blob.clone())).unwrap()).collect();
    let answers: Vec<_> = futures.iter().map(|future| future.join_timeout(TIMEOUT).unwrap()).collect();
    check_others();
    assert!(answers.iter().zip(&held).all(|(answer, blob)| answer.blob() == blob));

    // All of it in one job, which is in a file itself.
    let counted = pool.submit(Large::CountFiles(held)).unwrap().join_timeout(TIMEOUT).unwrap();
    assert!((1..=LIMIT / 2 + 4).contains(&counted.sum), "{counted:?}");
    finish(&pool);
}
