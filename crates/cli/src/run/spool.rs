//! Spool of the jobs that wait until the input has been compared with the journal.

use std::{
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::Path,
};

use tempfile::SpooledTempFile;

/// Number of bytes kept in memory; above it the spool moves to an unnamed temporary file.
const IN_MEMORY: usize = 1 << 20;

/// Length that marks a missing id.
const NO_ID: u64 = u64::MAX;

/// A job in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpooledJob<'a> {
    pub(crate) kind: SpooledKind,
    pub(crate) id: Option<&'a str>,
    pub(crate) text: &'a [u8],
}

/// Action to take on a spooled job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpooledKind {
    /// Run it; `text` is that of the job.
    Run,
    /// Print its result from the journal.
    Recorded,
    /// Print its record, the body of which is `text`.
    Invalid,
}

/// Writer of a spool. Jobs keep their order.
pub(crate) struct Spool {
    file: BufWriter<SpooledTempFile>,
    jobs: u64,
}

/// Reader of a spool.
pub(crate) struct SpoolReader {
    file: BufReader<SpooledTempFile>,
    id: Vec<u8>,
    text: Vec<u8>,
}

impl Spool {
    /// Creates a spool. Its temporary file, if needed, is created in `folder`.
    pub(crate) fn new(folder: &Path) -> Spool {
        Spool { file: BufWriter::new(SpooledTempFile::new_in(IN_MEMORY, folder)), jobs: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs == 0
    }

    /// Number of jobs.
    pub(crate) fn len(&self) -> u64 {
        self.jobs
    }

    pub(crate) fn push(&mut self, SpooledJob { kind, id, text }: SpooledJob<'_>) -> io::Result<()> {
        self.jobs += 1;
        self.file.write_all(&[kind as u8])?;
        self.file.write_all(&id.map_or(NO_ID, |id| id.len() as u64).to_ne_bytes())?;
        self.file.write_all(&(text.len() as u64).to_ne_bytes())?;
        self.file.write_all(id.unwrap_or_default().as_bytes())?;
        self.file.write_all(text)
    }

    /// Finishes writing and returns a reader of the jobs.
    pub(crate) fn into_reader(self) -> io::Result<SpoolReader> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(SpoolReader { file: BufReader::new(file), id: Vec::new(), text: Vec::new() })
    }
}

impl SpoolReader {
    pub(crate) fn next(&mut self) -> io::Result<Option<SpooledJob<'_>>> {
        let mut kind = [0];
        if self.file.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let kind = match kind {
            [0] => SpooledKind::Run,
            [1] => SpooledKind::Recorded,
            _ => SpooledKind::Invalid,
        };
        let (id_length, text_length) = (self.number()?, self.number()?);
        read_into(&mut self.file, &mut self.id, if id_length == NO_ID { 0 } else { id_length })?;
        read_into(&mut self.file, &mut self.text, text_length)?;
        let id = std::str::from_utf8(&self.id).map_err(io::Error::other)?;
        Ok(Some(SpooledJob { kind, id: (id_length != NO_ID).then_some(id), text: &self.text }))
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

fn read_into(file: &mut impl Read, into: &mut Vec<u8>, length: u64) -> io::Result<()> {
    into.clear();
    match file.take(length).read_to_end(into)? as u64 == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let long = vec![b'x'; 3 * IN_MEMORY];
        let jobs = [
            SpooledJob { kind: SpooledKind::Run, id: None, text: b"{}" },
            SpooledJob { kind: SpooledKind::Recorded, id: Some("\"a\""), text: b"" },
            SpooledJob { kind: SpooledKind::Invalid, id: Some("7"), text: &long },
            SpooledJob { kind: SpooledKind::Run, id: None, text: b"" },
        ];
        let mut spool = Spool::new(folder.path());
        assert!(spool.is_empty());
        jobs.iter().for_each(|&job| spool.push(job).unwrap());
        assert!(!spool.is_empty());
        let mut into_reader = spool.into_reader().unwrap();
        for job in jobs {
            assert!(into_reader.next().unwrap() == Some(job));
        }
        assert_eq!(into_reader.next().unwrap(), None);
    }
}
