//! What a format would change without a word is refused before it is written.
//!
//! [`Checked`] hands a value to a format's own serializer and looks at what passes by. Formats that describe
//! themselves write `Some(x)` as `x` and `None` as their null; a `Some(None)` or `Some(())` would come back as `None`. JSON
//! writes infinities and NaN as null too. Formats that know fields by their places lose count when one is left out.

use std::marker::PhantomData;

use serde::{
    Serialize, Serializer,
    ser::{
        Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// What a format cannot say.
pub(super) trait Rules {
    /// `None` and `()` are one null, and `Some` leaves no trace.
    const NULLS: bool = false;
    /// So is a struct without fields.
    const EMPTY_STRUCTS_ARE_NULL: bool = false;
    /// Floating-point numbers have to be finite.
    const FINITE: bool = false;
    /// Fields are known by their places, so none can be left out.
    const PLACES: bool = false;
    /// Values take their compact forms, whatever the format says: its two halves may differ.
    const COMPACT: bool = false;
}

/// A value that is checked while it is written.
pub(super) struct Checked<'a, T: ?Sized, R> {
    value: &'a T,
    /// It is what a `Some` holds.
    held: bool,
    rules: PhantomData<R>,
}

impl<'a, T: ?Sized, R> Checked<'a, T, R> {
    pub(super) fn new(value: &'a T) -> Self {
        Checked { value, held: false, rules: PhantomData }
    }

    fn held(value: &'a T, held: bool) -> Self {
        Checked { value, held, rules: PhantomData }
    }
}

impl<T: Serialize + ?Sized, R: Rules> Serialize for Checked<'_, T, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checker { inner: serializer, held: self.held, rules: PhantomData::<R> })
    }
}

/// A format's serializer, or one of its halves, and what is refused there.
struct Checker<I, R> {
    inner: I,
    held: bool,
    rules: PhantomData<R>,
}

impl<I, R: Rules> Checker<I, R> {
    fn around<O>(inner: O) -> Checker<O, R> {
        Checker { inner, held: false, rules: PhantomData }
    }

    fn null<E: Error>(&self, is_null: bool) -> Result<(), E> {
        if is_null && self.held {
            return Err(E::custom("a `Some` that holds nothing would come back as `None`"));
        }
        Ok(())
    }

    fn number<E: Error>(is_finite: bool) -> Result<(), E> {
        if R::FINITE && !is_finite {
            return Err(E::custom("a floating-point number is not finite"));
        }
        Ok(())
    }

    fn left_out<E: Error>(field: &str) -> Result<(), E> {
        if R::PLACES {
            return Err(E::custom(format_args!(
                "`{field}` is left out, and fields are known by their places"
            )));
        }
        Ok(())
    }
}

macro_rules! pass_on {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(fn $name(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$name(value)
        })*
    };
}

impl<S: Serializer, R: Rules> Serializer for Checker<S, R> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Checker<S::SerializeSeq, R>;
    type SerializeTuple = Checker<S::SerializeTuple, R>;
    type SerializeTupleStruct = Checker<S::SerializeTupleStruct, R>;
    type SerializeTupleVariant = Checker<S::SerializeTupleVariant, R>;
    type SerializeMap = Checker<S::SerializeMap, R>;
    type SerializeStruct = Checker<S::SerializeStruct, R>;
    type SerializeStructVariant = Checker<S::SerializeStructVariant, R>;

    pass_on! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        Self::number(value.is_finite())?;
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        Self::number(value.is_finite())?;
        self.inner.serialize_f64(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.null(R::NULLS)?;
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Checked::<T, R>::held(value, true))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.null(R::NULLS)?;
        self.inner.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.null(R::EMPTY_STRUCTS_ARE_NULL)?;
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
        self.inner.serialize_newtype_struct(name, &Checked::<T, R>::held(value, self.held))
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
        self.inner.serialize_seq(length).map(Self::around)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.inner.serialize_tuple(length).map(Self::around)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.inner.serialize_tuple_struct(name, length).map(Self::around)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.inner.serialize_tuple_variant(name, index, variant, length).map(Self::around)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.inner.serialize_map(length).map(Self::around)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.inner.serialize_struct(name, length).map(Self::around)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.inner.serialize_struct_variant(name, index, variant, length).map(Self::around)
    }

    fn is_human_readable(&self) -> bool {
        !R::COMPACT && self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($trait:ident: $($name:ident),*);* $(;)?) => {
        $(impl<C: $trait, R: Rules> $trait for Checker<C, R> {
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

elements! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
    SerializeMap: serialize_key, serialize_value;
}

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl<C: $trait, R: Rules> $trait for Checker<C, R> {
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
                Self::left_out(key)?;
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);
