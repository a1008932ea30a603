//! Limits on the nesting depth and the number of elements of decoded values.
//!
//! [`Limited`] wraps a format's deserializer to protect against malformed input:
//!
//! - Recursive types are decoded by recursion, so a few thousand bytes could overflow the stack. Formats have
//!   no limit, or one that does not count every level: a chain of `Some` takes no bytes in a format that
//!   encodes `Some(x)` as `x`.
//! - A list of values that take no bytes, such as `()`, is decoded up to its claimed length, which could take
//!   years.
//! - Types allocate memory for the claimed number of elements, at each level of nesting.
//!
//! The number of elements is limited by a budget for the whole value: one for each byte of input, and
//! [`MAX_EMPTY_ELEMENTS`] more that may take no bytes. Elements that take bytes never exhaust the budget,
//! however they are nested: each has a first byte that belongs to no other element, since a list inside a
//! list begins with its length. Elements of tuples, arrays and structs are not charged, because their number
//! is given by the type.

use std::{cell::Cell, fmt, marker::PhantomData};

#[cfg(feature = "codecs")]
use serde::Deserialize;
use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::error::CodecError;

/// Maximum nesting depth of a value, including `Some` and newtype structs. A thread's stack has room for
/// several times this depth.
pub(super) const MAX_DEPTH: u32 = 256;

/// Maximum number of elements that a collection may allocate memory for before they are decoded.
const MAX_PREALLOCATED: usize = 256;

/// Number of elements of a value that may take no bytes.
pub(super) const MAX_EMPTY_ELEMENTS: u64 = 1 << 16;

/// Limits for one value, shared by all parts of its deserializer.
pub(super) struct Bounds {
    max_depth: u32,
    max_preallocated: usize,
    /// Number of elements that may still be decoded.
    remaining_elements: Cell<u64>,
    is_exhausted: Cell<bool>,
}

impl Bounds {
    /// Creates the limits for an encoded value of `bytes` bytes, without limits on depth and allocations. For
    /// formats that have their own limit on allocations.
    #[inline]
    pub(super) fn elements_only(bytes: usize) -> Bounds {
        Bounds {
            max_depth: u32::MAX,
            max_preallocated: usize::MAX,
            remaining_elements: Cell::new(MAX_EMPTY_ELEMENTS.saturating_add(bytes as u64)),
            is_exhausted: Cell::new(false),
        }
    }

    /// Creates the limits for an encoded value of `bytes` bytes.
    pub(super) fn of(bytes: usize) -> Bounds {
        Bounds { max_depth: MAX_DEPTH, max_preallocated: MAX_PREALLOCATED, ..Bounds::elements_only(bytes) }
    }

    /// Returns a seed that decodes a `T` within these limits.
    #[inline]
    pub(super) fn seed<T>(&self) -> Limited<'_, PhantomData<T>> {
        self.limited(PhantomData)
    }

    #[inline]
    fn limited<I>(&self, inner: I) -> Limited<'_, I> {
        Limited { inner, remaining_depth: self.max_depth, is_charged: false, bounds: self }
    }

    /// Converts the error of a format, some of which drop the message of a custom error.
    #[cold]
    pub(super) fn decode_error(&self, error: impl fmt::Display) -> CodecError {
        if self.is_exhausted.get() {
            CodecError::decoding(TooManyElements)
        } else {
            CodecError::decoding(error)
        }
    }

    #[inline]
    fn charge<E: Error>(&self, elements: u64) -> Result<(), E> {
        match self.remaining_elements.get().checked_sub(elements) {
            Some(remaining) => self.remaining_elements.set(remaining),
            None => return Err(self.exhausted()),
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn exhausted<E: Error>(&self) -> E {
        self.is_exhausted.set(true);
        E::custom(TooManyElements)
    }
}

#[cold]
#[inline(never)]
fn too_deep<E: Error>() -> E {
    E::custom("value is nested too deeply")
}

/// Error message for a value that exhausts its budget of elements.
struct TooManyElements;

impl fmt::Display for TooManyElements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many elements: at most {MAX_EMPTY_ELEMENTS} elements may take no bytes")
    }
}

/// A value that is decoded with limits on depth and allocations, for deserializers that take no seed. Only
/// for formats whose elements all take bytes, so that the input limits their number.
#[cfg(feature = "codecs")]
pub(super) struct Bounded<T>(pub(super) T);

#[cfg(feature = "codecs")]
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bounds = Bounds::of(usize::MAX);
        bounds.limited(PhantomData).deserialize(deserializer).map(Bounded)
    }
}

/// A deserializer, visitor, seed or accessor that enforces [`Bounds`].
pub(super) struct Limited<'b, I> {
    inner: I,
    /// Number of further levels that are allowed.
    remaining_depth: u32,
    /// Elements are charged to the budget: their number is given by the input, not by the type.
    is_charged: bool,
    bounds: &'b Bounds,
}

impl<'b, I> Limited<'b, I> {
    /// Wraps another part at the same depth.
    #[inline(always)]
    fn with<O>(&self, inner: O) -> Limited<'b, O> {
        Limited { inner, remaining_depth: self.remaining_depth, is_charged: false, bounds: self.bounds }
    }

    /// Wraps a part that is one level deeper.
    #[inline(always)]
    fn deeper<O, E: Error>(&self, inner: O) -> Result<Limited<'b, O>, E> {
        match self.remaining_depth.checked_sub(1) {
            Some(remaining_depth) => Ok(Limited { remaining_depth, ..self.with(inner) }),
            None => Err(too_deep()),
        }
    }

    /// Wraps a list or map. Charges its claimed number of elements at once, or each element when it is
    /// decoded if that number is unknown.
    #[inline(always)]
    fn elements<O, E: Error>(&self, inner: O, claimed: Option<usize>) -> Result<Limited<'b, O>, E> {
        let deeper = self.deeper(inner)?;
        match claimed {
            Some(claimed) if self.is_charged => self.bounds.charge(claimed as u64).map(|()| deeper),
            _ => Ok(Limited { is_charged: self.is_charged, ..deeper }),
        }
    }

    /// Charges the next element, unless all elements were charged before.
    #[inline(always)]
    fn charge_next<E: Error>(&self) -> Result<(), E> {
        if self.is_charged { self.bounds.charge(1) } else { Ok(()) }
    }
}

macro_rules! forward_deserialize {
    ($is_charged:literal: $($name:ident($($argument:ident: $type:ty),*)),* $(,)?) => {
        $(#[inline(always)]
        fn $name<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = Limited { is_charged: $is_charged, ..self.with(visitor) };
            self.inner.$name($($argument,)* visitor)
        })*
    };
}

type FieldNames = &'static [&'static str];

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Limited<'_, D> {
    type Error = D::Error;

    forward_deserialize! {
        true: deserialize_any(), deserialize_ignored_any(), deserialize_seq(), deserialize_map(),
    }

    forward_deserialize! {
        false: deserialize_identifier(), deserialize_bool(),
        deserialize_i8(), deserialize_i16(), deserialize_i32(), deserialize_i64(), deserialize_i128(),
        deserialize_u8(), deserialize_u16(), deserialize_u32(), deserialize_u64(), deserialize_u128(),
        deserialize_f32(), deserialize_f64(), deserialize_char(), deserialize_str(), deserialize_string(),
        deserialize_bytes(), deserialize_byte_buf(), deserialize_option(), deserialize_unit(),
        deserialize_tuple(length: usize),
        deserialize_unit_struct(name: &'static str), deserialize_newtype_struct(name: &'static str),
        deserialize_tuple_struct(name: &'static str, length: usize),
        deserialize_struct(name: &'static str, fields: FieldNames),
        deserialize_enum(name: &'static str, variants: FieldNames),
    }

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_visit {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(#[inline(always)]
        fn $name<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$name(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Limited<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    forward_visit! {
        visit_bool: bool, visit_char: char, visit_f32: f32, visit_f64: f64,
        visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128,
        visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
    }

    #[inline(always)]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline(always)]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline(always)]
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = self.deeper(inner)?;
        self.inner.visit_some(inner)
    }

    #[inline(always)]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = self.deeper(inner)?;
        self.inner.visit_newtype_struct(inner)
    }

    #[inline(always)]
    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let claimed = inner.size_hint();
        let inner = self.elements(inner, claimed)?;
        self.inner.visit_seq(inner)
    }

    #[inline(always)]
    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let claimed = inner.size_hint();
        let inner = self.elements(inner, claimed)?;
        self.inner.visit_map(inner)
    }

    #[inline(always)]
    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let inner = self.deeper(inner)?;
        self.inner.visit_enum(inner)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Limited<'_, S> {
    type Value = S::Value;

    #[inline(always)]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let inner = self.with(inner);
        self.inner.deserialize(inner)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Limited<'_, A> {
    type Error = A::Error;

    #[inline(always)]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, inner: S) -> Result<Option<S::Value>, A::Error> {
        self.charge_next()?;
        let inner = self.with(inner);
        self.inner.next_element_seed(inner)
    }

    #[inline(always)]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|claimed| claimed.min(self.bounds.max_preallocated))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Limited<'_, A> {
    type Error = A::Error;

    #[inline(always)]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, inner: S) -> Result<Option<S::Value>, A::Error> {
        self.charge_next()?;
        let inner = self.with(inner);
        self.inner.next_key_seed(inner)
    }

    #[inline(always)]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, inner: S) -> Result<S::Value, A::Error> {
        let inner = self.with(inner);
        self.inner.next_value_seed(inner)
    }

    #[inline(always)]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|claimed| claimed.min(self.bounds.max_preallocated))
    }
}

impl<'b, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Limited<'b, A> {
    type Error = A::Error;
    type Variant = Limited<'b, A::Variant>;

    #[inline(always)]
    fn variant_seed<S: DeserializeSeed<'de>>(self, inner: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let Limited { remaining_depth, bounds, .. } = self;
        let limited = Limited { inner, remaining_depth, is_charged: false, bounds };
        let (value, inner) = self.inner.variant_seed(limited)?;
        Ok((value, Limited { inner, remaining_depth, is_charged: false, bounds }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Limited<'_, A> {
    type Error = A::Error;

    #[inline(always)]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline(always)]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, inner: S) -> Result<S::Value, A::Error> {
        let inner = self.with(inner);
        self.inner.newtype_variant_seed(inner)
    }

    #[inline(always)]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, inner: V) -> Result<V::Value, A::Error> {
        let inner = self.with(inner);
        self.inner.tuple_variant(length, inner)
    }

    #[inline(always)]
    fn struct_variant<V: Visitor<'de>>(self, fields: FieldNames, inner: V) -> Result<V::Value, A::Error> {
        let inner = self.with(inner);
        self.inner.struct_variant(fields, inner)
    }
}
