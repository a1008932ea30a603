//! Bounds on what bytes merely claim: how deep values are nested, and how many there are.
//!
//! [`Limited`] stands between a type and a format's deserializer. Types that contain themselves are read by recursion, so
//! a few thousand bytes could overflow the stack, and formats either set no limit or do not count every step: a chain of
//! `Some` takes no bytes at all where `Some` leaves no trace. A list of values that take no bytes, such as `()`, is read for
//! as long as its claimed length says, which may be for years. And types that are told that a million elements follow
//! allocate room for them, at each depth.
//!
//! Elements are bounded by a budget for the whole value: a byte of input pays for one element, and [`FREE`] more may take
//! no bytes. Elements that take bytes never exhaust it, however they are nested: the first byte of each is that of no
//! other, since a list inside a list begins with its length. The elements of tuples, arrays and structs do not count, because
//! the type says how many there are.

use std::{cell::Cell, fmt, marker::PhantomData};

#[cfg(feature = "codecs")]
use serde::Deserialize;
use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::CodecError;

/// How deep values may be nested; a `Some` and a wrapper count too. A thread's stack has room for several times as many.
#[cfg(feature = "codecs")]
pub(super) const DEEPEST: u32 = 256;

/// How many elements room is made for before they are there.
#[cfg(feature = "codecs")]
const AT_ONCE: usize = 256;

/// Number of elements of a value that may take no bytes.
pub(super) const FREE: u64 = 1 << 16;

/// The bounds for one value, which the seeds made of it share.
pub(super) struct Bounds {
    deepest: u32,
    at_once: usize,
    /// Number of elements that may still be read.
    elements: Cell<u64>,
    is_exhausted: Cell<bool>,
}

impl Bounds {
    /// For a value of this many bytes in a format that has limits of its own for what it allocates, and none for depth.
    #[inline]
    pub(super) fn of_elements(bytes: usize) -> Bounds {
        let elements = Cell::new(FREE.saturating_add(bytes as u64));
        Bounds { deepest: u32::MAX, at_once: usize::MAX, elements, is_exhausted: Cell::new(false) }
    }

    /// For a value of this many bytes.
    #[cfg(feature = "codecs")]
    pub(super) fn of(bytes: usize) -> Bounds {
        Bounds { deepest: DEEPEST, at_once: AT_ONCE, ..Bounds::of_elements(bytes) }
    }

    /// Reads a value within these bounds.
    #[inline]
    pub(super) fn seed<T>(&self) -> Limited<'_, PhantomData<T>> {
        self.limited(PhantomData)
    }

    #[inline]
    fn limited<I>(&self, inner: I) -> Limited<'_, I> {
        Limited { inner, left: self.deepest, counts: false, bounds: self }
    }

    /// The reason why reading failed: formats do not all keep the words of an error.
    #[cold]
    pub(super) fn reason(&self, error: impl fmt::Display) -> CodecError {
        if self.is_exhausted.get() { CodecError::decoding(TooMany) } else { CodecError::decoding(error) }
    }

    #[inline]
    fn pay<E: Error>(&self, elements: u64) -> Result<(), E> {
        match self.elements.get().checked_sub(elements) {
            Some(left) => self.elements.set(left),
            None => return Err(self.exhausted()),
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn exhausted<E: Error>(&self) -> E {
        self.is_exhausted.set(true);
        E::custom(TooMany)
    }
}

#[cold]
#[inline(never)]
fn too_deep<E: Error>() -> E {
    E::custom("it is nested too deeply")
}

/// More elements than the bytes pay for.
struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list is longer than its bytes allow (at most {FREE} elements may take no bytes)")
    }
}

/// A value of a format whose elements all take bytes, so that these bound their number; for readers that take no seed.
#[cfg(feature = "codecs")]
pub(super) struct Bounded<T>(pub(super) T);

#[cfg(feature = "codecs")]
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bounds = Bounds::of(usize::MAX);
        bounds.limited(PhantomData).deserialize(deserializer).map(Bounded)
    }
}

/// One of the many halves of reading, and its bounds.
pub(super) struct Limited<'b, I> {
    inner: I,
    /// How much deeper it may go.
    left: u32,
    /// Whether the number of elements comes from the bytes, not from the type.
    counts: bool,
    bounds: &'b Bounds,
}

impl<'b, I> Limited<'b, I> {
    /// Another half at the same depth.
    #[inline(always)]
    fn with<O>(&self, inner: O) -> Limited<'b, O> {
        Limited { inner, left: self.left, counts: false, bounds: self.bounds }
    }

    #[inline(always)]
    fn deeper<O, E: Error>(&self, inner: O) -> Result<Limited<'b, O>, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Limited { left, ..self.with(inner) }),
            None => Err(too_deep()),
        }
    }

    /// A list or map: pays for the elements that it claims, or leaves that to each of them.
    #[inline(always)]
    fn elements<O, E: Error>(&self, inner: O, claimed: Option<usize>) -> Result<Limited<'b, O>, E> {
        let deeper = self.deeper(inner)?;
        match claimed {
            Some(claimed) if self.counts => self.bounds.pay(claimed as u64).map(|()| deeper),
            _ => Ok(Limited { counts: self.counts, ..deeper }),
        }
    }

    /// Pays for the next element if that was not done before.
    #[inline(always)]
    fn next<E: Error>(&self) -> Result<(), E> {
        if self.counts { self.bounds.pay(1) } else { Ok(()) }
    }
}

macro_rules! limit {
    ($counts:literal: $($name:ident($($argument:ident: $type:ty),*)),* $(,)?) => {
        $(#[inline(always)]
        fn $name<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = Limited { counts: $counts, ..self.with(visitor) };
            self.inner.$name($($argument,)* visitor)
        })*
    };
}

type Names = &'static [&'static str];

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Limited<'_, D> {
    type Error = D::Error;

    limit! {
        true: deserialize_any(), deserialize_ignored_any(), deserialize_seq(), deserialize_map(),
    }

    limit! {
        false: deserialize_identifier(), deserialize_bool(),
        deserialize_i8(), deserialize_i16(), deserialize_i32(), deserialize_i64(), deserialize_i128(),
        deserialize_u8(), deserialize_u16(), deserialize_u32(), deserialize_u64(), deserialize_u128(),
        deserialize_f32(), deserialize_f64(), deserialize_char(), deserialize_str(), deserialize_string(),
        deserialize_bytes(), deserialize_byte_buf(), deserialize_option(), deserialize_unit(),
        deserialize_tuple(length: usize),
        deserialize_unit_struct(name: &'static str), deserialize_newtype_struct(name: &'static str),
        deserialize_tuple_struct(name: &'static str, length: usize),
        deserialize_struct(name: &'static str, fields: Names),
        deserialize_enum(name: &'static str, variants: Names),
    }

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! pass_on {
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

    pass_on! {
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
        self.next()?;
        let inner = self.with(inner);
        self.inner.next_element_seed(inner)
    }

    #[inline(always)]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|claimed| claimed.min(self.bounds.at_once))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Limited<'_, A> {
    type Error = A::Error;

    #[inline(always)]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, inner: S) -> Result<Option<S::Value>, A::Error> {
        self.next()?;
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
        self.inner.size_hint().map(|claimed| claimed.min(self.bounds.at_once))
    }
}

impl<'b, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Limited<'b, A> {
    type Error = A::Error;
    type Variant = Limited<'b, A::Variant>;

    #[inline(always)]
    fn variant_seed<S: DeserializeSeed<'de>>(self, inner: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let Limited { left, bounds, .. } = self;
        let limited = Limited { inner, left, counts: false, bounds };
        let (value, inner) = self.inner.variant_seed(limited)?;
        Ok((value, Limited { inner, left, counts: false, bounds }))
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
    fn struct_variant<V: Visitor<'de>>(self, fields: Names, inner: V) -> Result<V::Value, A::Error> {
        let inner = self.with(inner);
        self.inner.struct_variant(fields, inner)
    }
}
