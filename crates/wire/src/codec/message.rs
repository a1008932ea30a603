//! The message of an error that a value's `Serialize` returns, for formats whose errors drop it.

use std::fmt::{self, Display};

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// Returns the message of the error that serializing `value` for a compact format returns, or `None` if that
/// succeeds.
#[cold]
pub(super) fn error_message<T: Serialize + ?Sized>(value: &T) -> Option<String> {
    value.serialize(Discard).err().map(|Message(message)| message)
}

#[derive(Debug)]
struct Message(String);

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Message {}

impl serde::ser::Error for Message {
    fn custom<T: Display>(message: T) -> Message {
        Message(message.to_string())
    }
}

/// Calls the `Serialize` of all parts of a value and writes nothing.
#[derive(Clone, Copy)]
struct Discard;

macro_rules! discard {
    ($($name:ident($($arg:ty),*) -> $type:ty = $result:expr;)*) => {
        $(fn $name(self, $(_: $arg),*) -> Result<$type, Message> {
            Ok($result)
        })*
    };
}

type Name = &'static str;

impl Serializer for Discard {
    type Ok = ();
    type Error = Message;
    type SerializeSeq = Discard;
    type SerializeTuple = Discard;
    type SerializeTupleStruct = Discard;
    type SerializeTupleVariant = Discard;
    type SerializeMap = Discard;
    type SerializeStruct = Discard;
    type SerializeStructVariant = Discard;

    discard! {
        serialize_bool(bool) -> () = ();
        serialize_char(char) -> () = ();
        serialize_str(&str) -> () = ();
        serialize_bytes(&[u8]) -> () = ();
        serialize_i8(i8) -> () = ();
        serialize_i16(i16) -> () = ();
        serialize_i32(i32) -> () = ();
        serialize_i64(i64) -> () = ();
        serialize_i128(i128) -> () = ();
        serialize_u8(u8) -> () = ();
        serialize_u16(u16) -> () = ();
        serialize_u32(u32) -> () = ();
        serialize_u64(u64) -> () = ();
        serialize_u128(u128) -> () = ();
        serialize_f32(f32) -> () = ();
        serialize_f64(f64) -> () = ();
        serialize_none() -> () = ();
        serialize_unit() -> () = ();
        serialize_unit_struct(Name) -> () = ();
        serialize_unit_variant(Name, u32, Name) -> () = ();
        serialize_seq(Option<usize>) -> Discard = Discard;
        serialize_tuple(usize) -> Discard = Discard;
        serialize_tuple_struct(Name, usize) -> Discard = Discard;
        serialize_tuple_variant(Name, u32, Name, usize) -> Discard = Discard;
        serialize_map(Option<usize>) -> Discard = Discard;
        serialize_struct(Name, usize) -> Discard = Discard;
        serialize_struct_variant(Name, u32, Name, usize) -> Discard = Discard;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Message> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: Name, value: &T) -> Result<(), Message> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: Name,
        _: u32,
        _: Name,
        value: &T,
    ) -> Result<(), Message> {
        value.serialize(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! discard_parts {
    ($($trait:ident: $($name:ident($($key:ty)?)),*;)*) => {
        $(impl $trait for Discard {
            type Ok = ();
            type Error = Message;

            $(fn $name<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Result<(), Message> {
                value.serialize(*self)
            })*

            fn end(self) -> Result<(), Message> {
                Ok(())
            }
        })*
    };
}

discard_parts! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(Name);
    SerializeStructVariant: serialize_field(Name);
}
