//! The fields of a JSON object, each with the text of its value and the place where it stands.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::flaw::Flaw;

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
    fields: Vec<Field<'a>>,
}

/// A value as it was written, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    pub(crate) text: &'a str,
    /// In bytes from the start of the job's text.
    pub(crate) offset: usize,
}

impl<'a> Fields<'a> {
    /// Reads an object; its fields must have different names.
    pub(crate) fn read(text: &'a str) -> Result<Fields<'a>, Flaw> {
        let Collected(fields) = serde_json::from_str(text).map_err(|error| Flaw::syntax(text, &error))?;
        let fields = Fields { text, fields };
        for (index, field) in fields.fields.iter().enumerate() {
            if fields.fields[..index].iter().any(|earlier| earlier.name == field.name) {
                let message = format!("the field `{}` stands here twice", field.name);
                return Err(Flaw::new(fields.name_offset(field), message));
            }
        }
        if let Some(excess) = fields.fields.get(MOST_FIELDS) {
            return Err(Flaw::new(fields.name_offset(excess), "too many fields for a job"));
        }
        Ok(fields)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Written<'a>> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        Some(Written { text: field.value.get(), offset: offset_in(self.text, field.value.get()) })
    }

    /// The first field whose name is none of these, and where it stands.
    pub(crate) fn first_besides(&self, known: impl Fn(&str) -> bool) -> Option<(&str, usize)> {
        let field = self.fields.iter().find(|field| !known(&field.name))?;
        Some((&field.name, self.name_offset(field)))
    }

    /// Where a field's name stands, quotes included. A name with escapes is no part of the text any more; its
    /// value is near.
    fn name_offset(&self, field: &Field<'_>) -> usize {
        match field.name {
            Cow::Borrowed(name) => offset_in(self.text, name).saturating_sub(1),
            Cow::Owned(_) => offset_in(self.text, field.value.get()),
        }
    }
}

/// Where a part of a text starts in it.
fn offset_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

struct Collected<'a>(Vec<Field<'a>>);

impl<'de> Deserialize<'de> for Collected<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collector;

        impl<'de> Visitor<'de> for Collector {
            type Value = Collected<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(4);
                while let Some(Name(name)) = map.next_key()? {
                    if fields.len() > MOST_FIELDS {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        fields.push(Field { name, value: map.next_value()? });
                    }
                }
                Ok(Collected(fields))
            }
        }
        deserializer.deserialize_map(Collector)
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
