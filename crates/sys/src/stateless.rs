//! Functions that are called without a value of their type: function items and closures without captures,
//! which have a type each and no data.

use crate::executable::Portable;

/// A function with parameters `Args`: a single one or a tuple of two to six, or `()`. Implemented for
/// function items and closures; `Signature` distinguishes a parameter that is a tuple from several
/// parameters.
///
/// A function is passed as a value once, which [`portable`] turns into code that another process can call.
pub trait StatelessFunction<Args, Signature>: Copy + Send + 'static {
    /// Result of the function.
    type Output;

    /// Calls the function. Does not compile if the function has captures with a size.
    ///
    /// # Safety
    /// A value of the type exists or has existed, in this process or in one that runs the same executable.
    /// The type of a function proves that there is such a function, but not that a closure was ever created:
    /// it may capture a value without a size, which only some code can create, or none can.
    unsafe fn call(args: Args) -> Self::Output;
}

/// What a function is called for: conversion of its arguments and its result.
///
/// ```
/// use sys::stateless::{Adapter, portable};
///
/// struct OfText;
///
/// impl Adapter<u64, u64> for OfText {
///     type Input = &'static str;
///     type Output = String;
///
///     fn run(text: &'static str, function: impl FnOnce(u64) -> u64) -> String {
///         function(text.parse().unwrap_or(0)).to_string()
///     }
/// }
///
/// let constant = portable::<OfText, _, _, _>(|n: u64| n + 1);
/// assert!(constant.offset().is_some());
/// ```
pub trait Adapter<Args, Result> {
    /// What the arguments are made of.
    type Input: 'static;
    /// What is made of the result.
    type Output: 'static;

    /// Calls the function.
    fn run(input: Self::Input, function: impl FnOnce(Args) -> Result) -> Self::Output;
}

/// Code that calls one function through an [`Adapter`].
pub type Adapted<I, O> = fn(I) -> O;

/// Returns the code that calls a function through an adapter, as a constant that other processes with this
/// executable find. Values without a size that a closure captures are copied for each call, in the process
/// that calls it. Does not compile if the function has other captures.
#[must_use]
pub fn portable<C, F, A, S>(_: F) -> &'static Portable<Adapted<C::Input, C::Output>>
where
    C: Adapter<A, F::Output> + 'static,
    F: StatelessFunction<A, S>,
    A: 'static,
    S: 'static,
{
    const {
        // SAFETY: the constant is returned to those only who have passed a value of the type, and found by
        // its offset, which they got from it.
        let run: Adapted<C::Input, C::Output> = |input| C::run(input, |args| unsafe { F::call(args) });
        &Portable::new(run)
    }
}

/// Returns the value of a function's type, which has only one.
///
/// # Safety
/// A value of the type exists or has existed.
unsafe fn value<F: Copy + 'static>() -> F {
    const {
        assert!(
            size_of::<F>() == 0,
            "the closure captures variables, or is a function pointer: pass values as arguments"
        );
    }
    // SAFETY: the type has no size, so every value of it is the same, and it is `Copy`. The caller warrants
    // that there has been one, so the type is inhabited.
    unsafe { std::mem::transmute_copy::<(), F>(&()) }
}

impl<F, A, R> StatelessFunction<A, fn(A) -> R> for F
where
    F: Fn(A) -> R + Copy + Send + 'static,
{
    type Output = R;

    unsafe fn call(arg: A) -> R {
        // SAFETY: as the trait demands.
        let function = unsafe { value::<F>() };
        function(arg)
    }
}

macro_rules! impl_for_tuples {
    ($(($($arg:ident: $type:ident),*))*) => {
        $(impl<F, R, $($type),*> StatelessFunction<($($type,)*), fn($($type),*) -> R> for F
        where
            F: Fn($($type),*) -> R + Copy + Send + 'static,
        {
            type Output = R;

            unsafe fn call(($($arg,)*): ($($type,)*)) -> R {
                // SAFETY: as the trait demands.
                let function = unsafe { value::<F>() };
                function($($arg),*)
            }
        })*
    };
}

impl_for_tuples! {
    ()
    (a: A, b: B)
    (a: A, b: B, c: C)
    (a: A, b: B, c: C, d: D)
    (a: A, b: B, c: C, d: D, e: E)
    (a: A, b: B, c: C, d: D, e: E, f: G)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<F: StatelessFunction<A, S>, A, S>(_: F, args: A) -> F::Output {
        // SAFETY: a value of the type was passed.
        unsafe { F::call(args) }
    }

    #[test]
    fn function_is_called_without_its_value() {
        #[derive(Clone, Copy)]
        struct Token;
        let token = Token;
        assert_eq!(call(u64::pow, (2, 10)), 1024);
        assert_eq!(call(|n: i32| n + 1, 6), 7);
        assert_eq!(call(|| 5, ()), 5);
        let with_token = move |n: u8| {
            let Token = token;
            n
        };
        assert_eq!(call(with_token, 3), 3);
    }
}
