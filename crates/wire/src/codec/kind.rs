//! The codecs and their names.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Names of all codecs by number, including those that this program was built without.
const NAMES: [&str; 6] = ["bincode", "postcard", "msgpack", "cbor", "json", "pickle"];

/// Encoding of jobs and outcomes.
///
/// bincode needs the feature `bincode`, which is a default feature, postcard needs `postcard`, and the other
/// codecs need `codecs`. Both worker and parent must have been built with the codec. The default is bincode,
/// and postcard in a program that is built without bincode.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::settings::CodecKind;
///
/// let mut bytes = Vec::new();
/// CodecKind::default().encode(&(7u64, "seven"), &mut bytes)?;
/// assert_eq!(bytes.len(), 7, "small numbers of any type take one byte");
/// assert_eq!(CodecKind::default().decode::<(u64, String)>(&bytes)?, (7, "seven".to_owned()));
/// # Ok::<(), pool::error::CodecError>(())
/// ```
// The numbers are part of the protocol: they must never be assigned to another codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecKind {
    /// bincode 2 through serde, with variable-length integers.
    #[cfg(feature = "bincode")]
    #[default]
    Bincode = 0,
    /// postcard, with variable-length integers.
    #[cfg(feature = "postcard")]
    #[cfg_attr(not(feature = "bincode"), default)]
    Postcard = 1,
    /// MessagePack, with fields and variants by name.
    #[cfg(feature = "codecs")]
    MessagePack = 2,
    /// CBOR, with fields and variants by name.
    #[cfg(feature = "codecs")]
    Cbor = 3,
    /// JSON. Numbers must be finite, and map keys must be strings, numbers, booleans or unit variants.
    #[cfg(feature = "codecs")]
    Json = 4,
    /// Pickle, Python's format. Integers of 128 bits are not supported.
    #[cfg(feature = "codecs")]
    Pickle = 5,
}

/// Error for a codec name or number that this program does not support.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::settings::CodecKind;
///
/// let error = "xml".parse::<CodecKind>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown codec `xml`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownCodec(String);

impl CodecKind {
    /// All codecs of this program, by number.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::settings::CodecKind;
    ///
    /// assert_eq!(CodecKind::ALL[0], CodecKind::default());
    /// ```
    pub const ALL: &'static [CodecKind] = &[
        #[cfg(feature = "bincode")]
        CodecKind::Bincode,
        #[cfg(feature = "postcard")]
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

    /// Name of the codec, one lower-case word. Parsing the name returns the codec.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::settings::CodecKind;
    ///
    /// let codec = CodecKind::default();
    /// assert_eq!(codec.name().parse(), Ok(codec));
    /// # #[cfg(feature = "bincode")]
    /// assert_eq!(codec.name(), "bincode");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// Number of the codec, the same in every version and build.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::settings::CodecKind;
    ///
    /// # #[cfg(feature = "bincode")]
    /// assert_eq!(CodecKind::Bincode.number(), 0);
    /// ```
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Returns the codec with this number.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::settings::CodecKind;
    ///
    /// # #[cfg(feature = "bincode")]
    /// assert_eq!(CodecKind::from_number(0), Ok(CodecKind::Bincode));
    /// assert_eq!(CodecKind::from_number(99).unwrap_err().to_string(), "unknown codec number 99");
    /// ```
    ///
    /// # Errors
    /// [`UnknownCodec`] if this program was built without the codec or is older than it.
    pub fn from_number(number: u32) -> Result<CodecKind, UnknownCodec> {
        let known = CodecKind::ALL.iter().find(|codec| codec.number() == number);
        known.copied().ok_or_else(|| match NAMES.get(number as usize) {
            Some(name) => UnknownCodec::not_built_in(name),
            None => UnknownCodec(format!("unknown codec number {number}")),
        })
    }
}

impl UnknownCodec {
    fn not_built_in(name: &str) -> UnknownCodec {
        let feature = if matches!(name, "bincode" | "postcard") { name } else { "codecs" };
        UnknownCodec(format!("codec `{name}` is not built into this program (feature `{feature}`)"))
    }
}

/// As the codec's number, because the position of a variant depends on the features.
impl Serialize for CodecKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.number())
    }
}

impl<'de> Deserialize<'de> for CodecKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CodecKind, D::Error> {
        CodecKind::from_number(u32::deserialize(deserializer)?).map_err(D::Error::custom)
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
                return UnknownCodec::not_built_in(name);
            }
            let names: Vec<&str> = CodecKind::ALL.iter().map(|codec| codec.name()).collect();
            UnknownCodec(format!("unknown codec `{name}`, expected one of: {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_stable() {
        for &codec in CodecKind::ALL {
            assert_eq!(NAMES[codec.number() as usize], codec.name());
            assert_eq!(CodecKind::from_number(codec.number()), Ok(codec));
            assert_eq!((codec.name().parse(), codec.to_string()), (Ok(codec), codec.name().to_owned()));
            let mut bytes = Vec::new();
            CodecKind::default().encode(&codec, &mut bytes).unwrap();
            assert_eq!(bytes, [codec.number() as u8], "encoded by its number");
            assert_eq!(CodecKind::default().decode::<CodecKind>(&bytes).unwrap(), codec);
        }
        #[cfg(all(feature = "bincode", feature = "codecs"))]
        assert_eq!(CodecKind::ALL.iter().map(|codec| codec.name()).collect::<Vec<_>>(), NAMES);
    }

    #[test]
    fn unknown_codec_is_named_in_the_error() {
        let error = "BINCODE".parse::<CodecKind>().unwrap_err();
        let expected = format!("unknown codec `BINCODE`, expected one of: {}", CodecKind::default());
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert!(CodecKind::from_number(u32::MAX).is_err());
        #[cfg(not(feature = "codecs"))]
        for error in ["cbor".parse::<CodecKind>().unwrap_err(), CodecKind::from_number(3).unwrap_err()] {
            assert!(error.to_string().ends_with("`cbor` is not built into this program (feature `codecs`)"));
        }
        #[cfg(not(feature = "bincode"))]
        for error in ["bincode".parse::<CodecKind>().unwrap_err(), CodecKind::from_number(0).unwrap_err()] {
            assert!(error.to_string().ends_with("is not built into this program (feature `bincode`)"));
        }
    }
}
