//! Jobs that have to wait until the input has been compared with the journal.

use std::{
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::Path,
};

use tempfile::SpooledTempFile;

/// So many bytes wait in memory, more of them in a nameless file.
const IN_MEMORY: usize = 1 << 20;

/// Stands for the length of a name that is not there.
const NAMELESS: u64 = u64::MAX;

/// A job that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting<'a> {
    pub(crate) what: What,
    pub(crate) id: Option<&'a str>,
    pub(crate) text: &'a [u8],
}

/// What a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// To be run; the text is the job's.
    Run,
    /// To be printed from the journal.
    Recorded,
    /// To be printed; the text is that of the record.
    Invalid,
}

/// Jobs in the order in which they came.
pub(crate) struct Spool {
    file: BufWriter<SpooledTempFile>,
    jobs: u64,
}

/// Hands them out again.
pub(crate) struct Unspool {
    file: BufReader<SpooledTempFile>,
    id: Vec<u8>,
    text: Vec<u8>,
}

impl Spool {
    /// A spool whose file, if one is needed, is in this folder.
    pub(crate) fn new(folder: &Path) -> Spool {
        Spool { file: BufWriter::new(SpooledTempFile::new_in(IN_MEMORY, folder)), jobs: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs == 0
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> u64 {
        self.jobs
    }

    pub(crate) fn push(&mut self, Waiting { what, id, text }: Waiting<'_>) -> io::Result<()> {
        self.jobs += 1;
        self.file.write_all(&[what as u8])?;
        self.file.write_all(&id.map_or(NAMELESS, |id| id.len() as u64).to_ne_bytes())?;
        self.file.write_all(&(text.len() as u64).to_ne_bytes())?;
        self.file.write_all(id.unwrap_or_default().as_bytes())?;
        self.file.write_all(text)
    }

    /// The end of the filling.
    pub(crate) fn unspool(self) -> io::Result<Unspool> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Unspool { file: BufReader::new(file), id: Vec::new(), text: Vec::new() })
    }
}

impl Unspool {
    pub(crate) fn next(&mut self) -> io::Result<Option<Waiting<'_>>> {
        let mut what = [0];
        if self.file.read(&mut what)? == 0 {
            return Ok(None);
        }
        let what = match what {
            [0] => What::Run,
            [1] => What::Recorded,
            _ => What::Invalid,
        };
        let (id_length, text_length) = (self.number()?, self.number()?);
        read_into(&mut self.file, &mut self.id, if id_length == NAMELESS { 0 } else { id_length })?;
        read_into(&mut self.file, &mut self.text, text_length)?;
        let id = std::str::from_utf8(&self.id).map_err(io::Error::other)?;
        Ok(Some(Waiting { what, id: (id_length != NAMELESS).then_some(id), text: &self.text }))
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
    fn what_was_put_in_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let long = vec![b'x'; 3 * IN_MEMORY];
        let jobs = [
            Waiting { what: What::Run, id: None, text: b"{}" },
            Waiting { what: What::Recorded, id: Some("\"a\""), text: b"" },
            Waiting { what: What::Invalid, id: Some("7"), text: &long },
            Waiting { what: What::Run, id: None, text: b"" },
        ];
        let mut spool = Spool::new(folder.path());
        assert!(spool.is_empty());
        jobs.iter().for_each(|&job| spool.push(job).unwrap());
        assert!(!spool.is_empty());
        let mut unspool = spool.unspool().unwrap();
        for job in jobs {
            assert!(unspool.next().unwrap() == Some(job));
        }
        assert_eq!(unspool.next().unwrap(), None);
    }
}
