//! Fields of a JSON object, each with the text of its value and its offset.

use std::{borrow::Cow, collections::HashSet};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::error::ParseError;

/// Maximum number of fields that are kept; no job has more.
const MAX_FIELDS: usize = 16;

/// A field: its name and its unparsed value.
pub(crate) struct Field<'a> {
    name: Cow<'a, str>,
    value: &'a RawValue,
}

/// Fields of one object, in order.
pub(crate) struct Fields<'a> {
    text: &'a str,
    /// Offset of the object in the job's text.
    start: usize,
    fields: Vec<Field<'a>>,
}

/// An unparsed value and its offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawField<'a> {
    pub(crate) text: &'a str,
    /// Offset in bytes from the start of the job's text.
    pub(crate) offset: usize,
}

impl<'a> Fields<'a> {
    /// Reads the object of a job.
    ///
    /// # Errors
    /// When the text is not a JSON object, a field occurs twice, or there are too many fields.
    pub(crate) fn read(text: &'a str) -> Result<Fields<'a>, ParseError> {
        let fields = Fields::collect::<MAX_FIELDS>(text, |name| format!("duplicate field `{name}`"))?;
        if let Some(excess) = fields.fields.get(MAX_FIELDS) {
            return Err(ParseError::new(fields.name_offset(excess), "too many fields for a job"));
        }
        Ok(fields)
    }

    /// Reads an object with any number of fields, which is the value of a job's field and known to be JSON.
    /// `twice` returns the error message for a repeated name. Offsets count from the start of the job's text.
    pub(crate) fn read_nested(
        object: RawField<'a>,
        twice: impl Fn(&str) -> String,
    ) -> Result<Fields<'a>, ParseError> {
        let fields = Fields::collect::<{ usize::MAX }>(object.text, twice);
        let fields = fields.map_err(|error| ParseError::new(object.offset + error.offset, error.message))?;
        Ok(Fields { start: object.offset, ..fields })
    }

    fn collect<const MAX: usize>(
        text: &'a str,
        twice: impl Fn(&str) -> String,
    ) -> Result<Fields<'a>, ParseError> {
        let CollectedFields::<MAX>(fields) =
            serde_json::from_str(text).map_err(|error| ParseError::syntax(text, &error))?;
        let fields = Fields { text, start: 0, fields };
        match fields.first_repeated() {
            Some(field) => Err(ParseError::new(fields.name_offset(field), twice(&field.name))),
            None => Ok(fields),
        }
    }

    /// Returns the first field whose name, after decoding escapes, equals that of an earlier field.
    fn first_repeated(&self) -> Option<&Field<'a>> {
        if self.fields.len() > MAX_FIELDS + 1 {
            let mut names = HashSet::new();
            return self.fields.iter().find(|field| !names.insert(&field.name));
        }
        // For few names, pairwise comparison is faster than a set.
        let is_repeated = |&index: &usize| {
            self.fields[..index].iter().any(|earlier| earlier.name == self.fields[index].name)
        };
        (0..self.fields.len()).find(is_repeated).map(|index| &self.fields[index])
    }

    pub(crate) fn get(&self, name: &str) -> Option<RawField<'a>> {
        self.fields.iter().find(|field| field.name == name).map(|field| self.value(field))
    }

    /// Returns all fields: name, offset of the name, value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, usize, RawField<'a>)> {
        self.fields.iter().map(|field| (&*field.name, self.name_offset(field), self.value(field)))
    }

    /// Returns the first field whose name is not `known`, with its offset.
    pub(crate) fn first_unknown(&self, known: impl Fn(&str) -> bool) -> Option<(&str, usize)> {
        let field = self.fields.iter().find(|field| !known(&field.name))?;
        Some((&field.name, self.name_offset(field)))
    }

    fn value(&self, field: &Field<'a>) -> RawField<'a> {
        RawField { text: field.value.get(), offset: self.offset_of(field.value.get()) }
    }

    /// Returns the offset of a field's name, including its quote.
    fn name_offset(&self, field: &Field<'_>) -> usize {
        match field.name {
            Cow::Borrowed(name) => self.offset_of(name).saturating_sub(1),
            // A decoded name is not part of the text. The name ends at the last quote before its value.
            Cow::Owned(_) => {
                let before = &self.text.as_bytes()[..self.offset_of(field.value.get()) - self.start];
                let end = memchr::memrchr(b'"', before).unwrap_or_default();
                self.start + opening_quote(&before[..end])
            }
        }
    }

    /// Returns the offset in the job's text of a part of the object's text.
    fn offset_of(&self, part: &str) -> usize {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        self.start + offset.min(self.text.len())
    }
}

/// Returns the offset of the quote that opens a string, given the text before the closing quote: the last
/// quote preceded by an even number of backslashes.
fn opening_quote(before: &[u8]) -> usize {
    let is_opening = |&at: &usize| {
        let backslashes = before[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
        backslashes.is_multiple_of(2)
    };
    memchr::memrchr_iter(b'"', before).find(is_opening).unwrap_or_default()
}

/// Fields of an object, of which the first `MAX + 1` are kept.
struct CollectedFields<'a, const MAX: usize>(Vec<Field<'a>>);

impl<'de, const MAX: usize> Deserialize<'de> for CollectedFields<'de, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor<const MAX: usize>;

        impl<'de, const MAX: usize> Visitor<'de> for FieldVisitor<MAX> {
            type Value = CollectedFields<'de, MAX>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(4);
                while let Some(Name(name)) = map.next_key()? {
                    if fields.len() > MAX {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        fields.push(Field { name, value: map.next_value()? });
                    }
                }
                Ok(CollectedFields(fields))
            }
        }
        deserializer.deserialize_map(FieldVisitor::<MAX>)
    }
}

/// Name of a field, borrowed from the text if it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}
