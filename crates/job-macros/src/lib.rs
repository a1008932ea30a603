//! The attribute `#[job]` of the crate `pool`, which re-exports it.

mod expand;

use proc_macro::TokenStream;
use syn::{ItemFn, Path, parse::Parser, parse_macro_input};

/// Makes a function callable on workers by its name: `NAME::job(ARGUMENTS)` creates a call, to be passed to
/// `pool::functions::Spawn::run`. The function itself stays as it is.
///
/// Parameters, output and error must be `Serialize` and `DeserializeOwned`, so they contain no references. If
/// the return type is called `Result`, an `Err` is the job's own error. The function cannot be generic,
/// `async` or a method. Its path must be unique in the program, so two functions of the same name in the
/// bodies of other functions need modules.
///
/// `#[job(crate = path)]` is for programs in which the crate `pool` has another name.
///
/// ```ignore
/// use pool::{error::RemoteError, functions::{FunctionPool, Spawn}};
///
/// #[pool::job]
/// fn square(n: u64) -> Result<u64, RemoteError> {
///     n.checked_mul(n).ok_or_else(|| RemoteError::msg("the square overflows"))
/// }
///
/// let pool = FunctionPool::builder().build()?;
/// assert_eq!(pool.run(square::job(7))?.join()?, 49);
/// assert_eq!(square(7).unwrap(), 49);
/// ```
#[proc_macro_attribute]
pub fn job(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut krate: Path = syn::parse_quote!(::pool);
    let arguments = syn::meta::parser(|argument| {
        if argument.path.is_ident("crate") {
            krate = argument.value()?.parse()?;
            Ok(())
        } else {
            Err(argument.error("the only argument is `crate = PATH`"))
        }
    });
    if let Err(error) = arguments.parse(attribute) {
        return error.into_compile_error().into();
    }
    let function = parse_macro_input!(item as ItemFn);
    expand::expand(&krate, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}
