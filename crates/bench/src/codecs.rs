//! The codecs that are compared.

use pool::CodecKind;

/// Each by its name; the first is the one that is used where nothing else is said.
pub(crate) fn codecs() -> Vec<(String, CodecKind)> {
    vec![("bincode".to_owned(), CodecKind::Bincode)]
}
