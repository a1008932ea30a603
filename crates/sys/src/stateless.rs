//! Functions that are called without a value of their type: function items and closures without captures,
//! which have a type each and no data.

/// A function with parameters `Args`: a single one or a tuple of several. Implemented for function items and
/// closures; `Signature` distinguishes a parameter that is a tuple from several parameters.
///
/// [`call`](StatelessFunction::call) may be called only in programs in which a value of the type exists or
/// has existed, in this process or in another one: the type of a function proves that there is such a
/// function, but not that a closure was ever created.
pub trait StatelessFunction<Args, Signature>: Copy + 'static {
    /// Result of the function.
    type Output;

    /// Calls the function. Does not compile if the function has captures.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::functions::StatelessFunction;
    ///
    /// fn call<F: StatelessFunction<A, S>, A, S>(_: F, args: A) -> F::Output {
    ///     F::call(args)
    /// }
    /// assert_eq!(call(u64::pow, (2, 10)), 1024);
    /// assert_eq!(call(|n: i32| n + 1, 6), 7);
    /// ```
    fn call(args: Args) -> Self::Output;
}

/// Returns the value of a function's type, which has only one.
fn value<F: Copy + 'static>() -> F {
    const {
        assert!(
            size_of::<F>() == 0,
            "the closure captures variables, or is a function pointer: pass values as arguments"
        );
    }
    // SAFETY: the type has no data, so every value of it is the same, and it is `Copy`. A value has existed,
    // as the trait demands, so the type is inhabited.
    unsafe { std::mem::transmute_copy::<(), F>(&()) }
}

impl<F, A, R> StatelessFunction<A, fn(A) -> R> for F
where
    F: Fn(A) -> R + Copy + 'static,
{
    type Output = R;

    fn call(arg: A) -> R {
        value::<F>()(arg)
    }
}

macro_rules! impl_for_tuples {
    ($(($($arg:ident: $type:ident),*))*) => {
        $(impl<F, R, $($type),*> StatelessFunction<($($type,)*), fn($($type),*) -> R> for F
        where
            F: Fn($($type),*) -> R + Copy + 'static,
        {
            type Output = R;

            fn call(($($arg,)*): ($($type,)*)) -> R {
                value::<F>()($($arg),*)
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
