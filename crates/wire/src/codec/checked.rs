//! Rejects values that a format would silently change.
//!
//! [`Checked`] passes a value to a format's own serializer and checks each part. Self-describing formats
//! encode `Some(x)` as `x` and `None` as null, so `Some(None)` and `Some(())` would be decoded as `None`.
//! JSON also encodes infinities and NaN as null. In formats that identify fields by position, a skipped field
//! shifts the following ones.

use std::marker::PhantomData;

use serde::{
    Serialize, Serializer,
    ser::{
        Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// Restrictions of a format.
pub(super) trait Restrictions {
    /// `None` and `()` are encoded as null, and `Some(x)` as `x`.
    const UNITS_ARE_NULL: bool = false;
    /// Unit structs are encoded as null.
    const UNIT_STRUCTS_ARE_NULL: bool = false;
    /// Floating-point numbers must be finite.
    const FINITE_FLOATS: bool = false;
    /// Fields are identified by position, so no field can be skipped.
    const POSITIONAL_FIELDS: bool = false;
    /// Types use their compact representation, even if the format's serializer claims to be human-readable.
    /// Needed if its deserializer claims the opposite.
    const COMPACT: bool = false;
}

/// A value that is checked while it is serialized.
pub(super) struct Checked<'a, T: ?Sized, R> {
    value: &'a T,
    /// The value is the content of a `Some`.
    inside_some: bool,
    restrictions: PhantomData<R>,
}

impl<'a, T: ?Sized, R> Checked<'a, T, R> {
    pub(super) fn new(value: &'a T) -> Self {
        Self::with(value, false)
    }

    fn with(value: &'a T, inside_some: bool) -> Self {
        Checked { value, inside_some, restrictions: PhantomData }
    }
}

impl<T: Serialize + ?Sized, R: Restrictions> Serialize for Checked<'_, T, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checker {
            inner: serializer,
            inside_some: self.inside_some,
            restrictions: PhantomData::<R>,
        })
    }
}

/// A serializer of a format, or of one of its compound types, that enforces the format's restrictions.
struct Checker<I, R> {
    inner: I,
    inside_some: bool,
    restrictions: PhantomData<R>,
}

impl<I, R: Restrictions> Checker<I, R> {
    fn wrap<O>(inner: O) -> Checker<O, R> {
        Checker { inner, inside_some: false, restrictions: PhantomData }
    }

    fn check_null<E: Error>(&self, is_null: bool) -> Result<(), E> {
        if is_null && self.inside_some {
            return Err(E::custom("`Some` of a null value would be decoded as `None`"));
        }
        Ok(())
    }

    fn check_float<E: Error>(is_finite: bool) -> Result<(), E> {
        if R::FINITE_FLOATS && !is_finite {
            return Err(E::custom("floating-point number is not finite"));
        }
        Ok(())
    }

    fn check_skipped<E: Error>(field: &str) -> Result<(), E> {
        if R::POSITIONAL_FIELDS {
            return Err(E::custom(format_args!(
                "field `{field}` is skipped, but fields are identified by position"
            )));
        }
        Ok(())
    }
}

macro_rules! forward {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(fn $name(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$name(value)
        })*
    };
}

impl<S: Serializer, R: Restrictions> Serializer for Checker<S, R> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Checker<S::SerializeSeq, R>;
    type SerializeTuple = Checker<S::SerializeTuple, R>;
    type SerializeTupleStruct = Checker<S::SerializeTupleStruct, R>;
    type SerializeTupleVariant = Checker<S::SerializeTupleVariant, R>;
    type SerializeMap = Checker<S::SerializeMap, R>;
    type SerializeStruct = Checker<S::SerializeStruct, R>;
    type SerializeStructVariant = Checker<S::SerializeStructVariant, R>;

    forward! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        Self::check_float(value.is_finite())?;
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        Self::check_float(value.is_finite())?;
        self.inner.serialize_f64(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.check_null(R::UNITS_ARE_NULL)?;
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Checked::<T, R>::with(value, true))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.check_null(R::UNITS_ARE_NULL)?;
        self.inner.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.check_null(R::UNIT_STRUCTS_ARE_NULL)?;
        self.inner.serialize_unit_struct(name)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &Checked::<T, R>::with(value, self.inside_some))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_variant(name, index, variant, &Checked::<T, R>::new(value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.inner.serialize_seq(length).map(Self::wrap)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.inner.serialize_tuple(length).map(Self::wrap)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.inner.serialize_tuple_struct(name, length).map(Self::wrap)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.inner.serialize_tuple_variant(name, index, variant, length).map(Self::wrap)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.inner.serialize_map(length).map(Self::wrap)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.inner.serialize_struct(name, length).map(Self::wrap)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.inner.serialize_struct_variant(name, index, variant, length).map(Self::wrap)
    }

    fn is_human_readable(&self) -> bool {
        !R::COMPACT && self.inner.is_human_readable()
    }
}

macro_rules! impl_elements {
    ($($trait:ident: $($name:ident),*);* $(;)?) => {
        $(impl<C: $trait, R: Restrictions> $trait for Checker<C, R> {
            type Ok = C::Ok;
            type Error = C::Error;

            $(fn $name<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.inner.$name(&Checked::<T, R>::new(value))
            })*

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

impl_elements! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
    SerializeMap: serialize_key, serialize_value;
}

macro_rules! impl_fields {
    ($($trait:ident),*) => {
        $(impl<C: $trait, R: Restrictions> $trait for Checker<C, R> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.inner.serialize_field(key, &Checked::<T, R>::new(value))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                Self::check_skipped(key)?;
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

impl_fields!(SerializeStruct, SerializeStructVariant);
