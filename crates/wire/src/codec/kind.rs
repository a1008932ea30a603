//! Which codecs there are.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// All names, by their numbers, also of codecs that this program was built without.
const NAMES: [&str; 6] = ["bincode", "postcard", "msgpack", "cbor", "json", "pickle"];

/// How jobs and outcomes are turned into bytes.
///
/// All but bincode need the feature `codecs`; worker and parent have to have the same.
///
/// ```
/// use wire::CodecKind;
///
/// let mut bytes = Vec::new();
/// CodecKind::Bincode.encode(&(7u64, "seven"), &mut bytes)?;
/// assert_eq!(bytes.len(), 7, "small numbers take a byte, whatever their type");
/// assert_eq!(CodecKind::Bincode.decode::<(u64, String)>(&bytes)?, (7, "seven".to_owned()));
/// # Ok::<(), wire::CodecError>(())
/// ```
// The numbers are what a worker is told: they are never given to another codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CodecKind {
    /// bincode 2 through serde, variable-length integers.
    #[default]
    Bincode = 0,
    /// postcard, variable-length integers too.
    #[cfg(feature = "codecs")]
    Postcard = 1,
    /// MessagePack; fields and variants by their names.
    #[cfg(feature = "codecs")]
    MessagePack = 2,
    /// CBOR; fields and variants by their names.
    #[cfg(feature = "codecs")]
    Cbor = 3,
    /// JSON; numbers have to be finite, and map keys to be such as JSON has.
    #[cfg(feature = "codecs")]
    Json = 4,
    /// Pickle, Python's format; no integers of 128 bits.
    #[cfg(feature = "codecs")]
    Pickle = 5,
}

/// The name or number of no codec that this program has.
///
/// ```
/// use wire::CodecKind;
///
/// let error = "xml".parse::<CodecKind>().unwrap_err();
/// assert!(error.to_string().starts_with("there is no codec `xml`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownCodec(String);

impl CodecKind {
    /// All that this program has, by their numbers.
    ///
    /// ```
    /// use wire::CodecKind;
    ///
    /// assert_eq!(CodecKind::ALL[0], CodecKind::default());
    /// ```
    pub const ALL: &'static [CodecKind] = &[
        CodecKind::Bincode,
        #[cfg(feature = "codecs")]
        CodecKind::Postcard,
        #[cfg(feature = "codecs")]
        CodecKind::MessagePack,
        #[cfg(feature = "codecs")]
        CodecKind::Cbor,
        #[cfg(feature = "codecs")]
        CodecKind::Json,
        #[cfg(feature = "codecs")]
        CodecKind::Pickle,
    ];

    /// Its name: one word in small letters, from which it can be parsed.
    ///
    /// ```
    /// use wire::CodecKind;
    ///
    /// assert_eq!(CodecKind::Bincode.name(), "bincode");
    /// assert_eq!("bincode".parse(), Ok(CodecKind::Bincode));
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// Its number, the same in every version and build.
    ///
    /// ```
    /// use wire::CodecKind;
    ///
    /// assert_eq!(CodecKind::Bincode.number(), 0);
    /// ```
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The codec of this number.
    ///
    /// ```
    /// use wire::CodecKind;
    ///
    /// assert_eq!(CodecKind::from_number(0), Ok(CodecKind::Bincode));
    /// assert_eq!(CodecKind::from_number(99).unwrap_err().to_string(), "there is no codec of number 99");
    /// ```
    ///
    /// # Errors
    /// When this program has none: it was built without, or is older.
    pub fn from_number(number: u32) -> Result<CodecKind, UnknownCodec> {
        let index = number as usize;
        let known = CodecKind::ALL.get(index).copied();
        known.ok_or_else(|| match NAMES.get(index) {
            Some(name) => UnknownCodec::left_out(name),
            None => UnknownCodec(format!("there is no codec of number {number}")),
        })
    }
}

impl UnknownCodec {
    fn left_out(name: &str) -> UnknownCodec {
        UnknownCodec(format!("the codec `{name}` is not built into this program (feature `codecs`)"))
    }
}

impl fmt::Display for CodecKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CodecKind {
    type Err = UnknownCodec;

    fn from_str(name: &str) -> Result<CodecKind, UnknownCodec> {
        let known = CodecKind::ALL.iter().find(|codec| codec.name() == name);
        known.copied().ok_or_else(|| {
            if NAMES.contains(&name) {
                return UnknownCodec::left_out(name);
            }
            let names: Vec<&str> = CodecKind::ALL.iter().map(|codec| codec.name()).collect();
            UnknownCodec(format!("there is no codec `{name}`, but {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_stable() {
        for (place, &codec) in CodecKind::ALL.iter().enumerate() {
            assert_eq!(codec.number() as usize, place);
            assert_eq!(CodecKind::from_number(codec.number()), Ok(codec));
            assert_eq!((codec.name().parse(), codec.to_string()), (Ok(codec), codec.name().to_owned()));
            let mut bytes = Vec::new();
            CodecKind::Bincode.encode(&codec, &mut bytes).unwrap();
            assert_eq!(bytes, [place as u8], "encoded by its number");
        }
        #[cfg(feature = "codecs")]
        assert_eq!(CodecKind::ALL.iter().map(|codec| codec.name()).collect::<Vec<_>>(), NAMES);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = "BINCODE".parse::<CodecKind>().unwrap_err();
        assert!(error.to_string().starts_with("there is no codec `BINCODE`, but bincode"), "{error}");
        assert!(CodecKind::from_number(u32::MAX).is_err());
        #[cfg(not(feature = "codecs"))]
        for error in ["cbor".parse::<CodecKind>().unwrap_err(), CodecKind::from_number(3).unwrap_err()] {
            assert!(error.to_string().contains("`cbor` is not built into"), "{error}");
        }
    }
}
