//! Files that are kept next to encoded bytes that refer to them.

use std::collections::HashMap;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeSeq},
};

use super::{Files, LargeData, Mode, ReceivedFiles, Reference, explain, mode, with_received};

/// Files that encoded bytes refer to, by the descriptors that the bytes name. Serialized and deserialized
/// between a pool and its workers like the values themselves, which are neither decoded nor copied.
#[derive(Clone, Debug, Default)]
pub struct AttachedFiles(ReceivedFiles);

/// A file's descriptor in the process that encoded the bytes, and in the one that passes them on: its id,
/// the descriptor, and the length in bytes.
#[derive(Serialize, Deserialize)]
struct Entry(u32, (u32, u32, u64));

impl AttachedFiles {
    /// Decodes bytes that refer to these files within `decode`.
    pub fn resolve<R>(&self, decode: impl FnOnce() -> R) -> R {
        with_received(&self.0, decode)
    }

    fn files(&self) -> impl Iterator<Item = (u32, &LargeData)> {
        self.0.constant()
    }
}

impl From<Files> for AttachedFiles {
    fn from(Files(files): Files) -> AttachedFiles {
        let files = files.map_or_else(Vec::new, |files| *files);
        from_data(files.into_iter().map(|file| (file.number(), LargeData::File(file))).collect())
    }
}

/// Two are equal if they have files with the same contents under the same descriptors.
impl PartialEq for AttachedFiles {
    fn eq(&self, other: &AttachedFiles) -> bool {
        let has = |(fd, file): (u32, &LargeData)| {
            other.files().any(|(other_fd, other)| fd == other_fd && file.bytes() == other.bytes())
        };
        self.files().count() == other.files().count() && self.files().all(has)
    }
}

impl Eq for AttachedFiles {}

impl Serialize for AttachedFiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.files().count();
        if count > 0 && mode() != Mode::Collect {
            return Err(S::Error::custom("encoded values with large shared data cannot leave their pool"));
        }
        let mut entries = serializer.serialize_seq(Some(count))?;
        for (name, data) in self.files() {
            let file = data.file().map_err(|error| S::Error::custom(explain(&error)))?;
            let Reference { pid, fd, length } = Reference::to(file);
            entries.serialize_element(&Entry(name, (pid, fd, length)))?;
        }
        entries.end()
    }
}

impl<'de> Deserialize<'de> for AttachedFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AttachedFiles, D::Error> {
        let mut files = HashMap::new();
        for Entry(name, (pid, fd, length)) in Vec::<Entry>::deserialize(deserializer)? {
            let data = Reference { pid, fd, length }.resolve().map_err(D::Error::custom)?;
            files.insert(name, data);
        }
        Ok(from_data(files))
    }
}

fn from_data(data: HashMap<u32, LargeData>) -> AttachedFiles {
    AttachedFiles(if data.is_empty() { ReceivedFiles::default() } else { ReceivedFiles::of(data) })
}
