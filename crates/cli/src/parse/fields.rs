//! The fields of a JSON object, each with the text of its value and the location where it stands.

use std::{borrow::Cow, collections::HashSet};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::error::ParseError;

/// More fields than any job has; what comes after them is not kept.
const MOST_FIELDS: usize = 16;

/// A field: its name, and its value as it was written.
pub(crate) struct Field<'a> {
    name: Cow<'a, str>,
    value: &'a RawValue,
}

/// The fields of one object, in order.
pub(crate) struct Fields<'a> {
    text: &'a str,
    /// Where the object starts in the job's text.
    start: usize,
    fields: Vec<Field<'a>>,
}

/// A value as it was written, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawField<'a> {
    pub(crate) text: &'a str,
    /// In bytes from the start of the job's text.
    pub(crate) offset: usize,
}

impl<'a> Fields<'a> {
    /// Reads a job's object; its fields must have different names.
    pub(crate) fn read(text: &'a str) -> Result<Fields<'a>, ParseError> {
        let fields =
            Fields::collect::<MOST_FIELDS>(text, |name| format!("the field `{name}` stands here twice"))?;
        if let Some(excess) = fields.fields.get(MOST_FIELDS) {
            return Err(ParseError::new(fields.name_offset(excess), "too many fields for a job"));
        }
        Ok(fields)
    }

    /// Reads an object of any number of fields, which is the value of a job's field: the job is known to be
    /// JSON. `twice` words that a name stands there again. Locations count from the start of the job's text.
    pub(crate) fn read_nested(
        object: RawField<'a>,
        twice: impl Fn(&str) -> String,
    ) -> Result<Fields<'a>, ParseError> {
        let fields = Fields::collect::<{ usize::MAX }>(object.text, twice);
        let fields = fields.map_err(|error| ParseError::new(object.offset + error.offset, error.message))?;
        Ok(Fields { start: object.offset, ..fields })
    }

    fn collect<const MOST: usize>(
        text: &'a str,
        twice: impl Fn(&str) -> String,
    ) -> Result<Fields<'a>, ParseError> {
        let CollectedFields::<MOST>(fields) =
            serde_json::from_str(text).map_err(|error| ParseError::syntax(text, &error))?;
        let fields = Fields { text, start: 0, fields };
        match fields.first_repeated() {
            Some(field) => Err(ParseError::new(fields.name_offset(field), twice(&field.name))),
            None => Ok(fields),
        }
    }

    /// The first field whose name an earlier one has, however the two are written.
    fn first_repeated(&self) -> Option<&Field<'a>> {
        if self.fields.len() > MOST_FIELDS + 1 {
            let mut names = HashSet::new();
            return self.fields.iter().find(|field| !names.insert(&field.name));
        }
        // Comparing few names with each other costs less than a set.
        let is_repeated = |&index: &usize| {
            self.fields[..index].iter().any(|earlier| earlier.name == self.fields[index].name)
        };
        (0..self.fields.len()).find(is_repeated).map(|index| &self.fields[index])
    }

    pub(crate) fn get(&self, name: &str) -> Option<RawField<'a>> {
        self.fields.iter().find(|field| field.name == name).map(|field| self.value(field))
    }

    /// All fields: name, location of the name, value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, usize, RawField<'a>)> {
        self.fields.iter().map(|field| (&*field.name, self.name_offset(field), self.value(field)))
    }

    /// The first field whose name is none of these, and where it stands.
    pub(crate) fn first_besides(&self, known: impl Fn(&str) -> bool) -> Option<(&str, usize)> {
        let field = self.fields.iter().find(|field| !known(&field.name))?;
        Some((&field.name, self.name_offset(field)))
    }

    fn value(&self, field: &Field<'a>) -> RawField<'a> {
        RawField { text: field.value.get(), offset: self.offset_of(field.value.get()) }
    }

    /// Where a field's name stands, quotes included.
    fn name_offset(&self, field: &Field<'_>) -> usize {
        match field.name {
            Cow::Borrowed(name) => self.offset_of(name).saturating_sub(1),
            // A name with escapes is no part of the text any more. It ends with the last quote before its
            // value.
            Cow::Owned(_) => {
                let before = &self.text.as_bytes()[..self.offset_of(field.value.get()) - self.start];
                let end = memchr::memrchr(b'"', before).unwrap_or_default();
                self.start + opening_quote(&before[..end])
            }
        }
    }

    /// Where a part of the object's text starts in the job's.
    fn offset_of(&self, part: &str) -> usize {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        self.start + offset.min(self.text.len())
    }
}

/// The location of the quote that opens a string, given all before the one that closes it: the last quote
/// that is not escaped, that is, behind an even number of backslashes.
fn opening_quote(before: &[u8]) -> usize {
    let is_opening = |&at: &usize| {
        let backslashes = before[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
        backslashes.is_multiple_of(2)
    };
    memchr::memrchr_iter(b'"', before).find(is_opening).unwrap_or_default()
}

/// Fields of an object; `MOST` and one more are kept.
struct CollectedFields<'a, const MOST: usize>(Vec<Field<'a>>);

impl<'de, const MOST: usize> Deserialize<'de> for CollectedFields<'de, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor<const MOST: usize>;

        impl<'de, const MOST: usize> Visitor<'de> for FieldVisitor<MOST> {
            type Value = CollectedFields<'de, MOST>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(4);
                while let Some(Name(name)) = map.next_key()? {
                    if fields.len() > MOST {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        fields.push(Field { name, value: map.next_value()? });
                    }
                }
                Ok(CollectedFields(fields))
            }
        }
        deserializer.deserialize_map(FieldVisitor::<MOST>)
    }
}

/// A name that is borrowed from the text where it can be.
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
