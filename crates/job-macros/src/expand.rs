//! Expansion of the attribute.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, FnArg, Ident, ItemFn, Pat, Path, Result, ReturnType, Signature, Type, spanned::Spanned};

/// Returns the function, a type of the same name with the constructor of calls, and the registration of the
/// function. Types and functions have names of different kinds, so both can have the same.
pub(crate) fn expand(krate: &Path, function: &ItemFn) -> Result<TokenStream> {
    check(&function.sig)?;
    let (visibility, name) = (&function.vis, &function.sig.ident);
    let (parameters, types) = parameters(&function.sig)?;
    let returned = returned(&function.sig.output);
    let (call, reply) = if is_result(&returned) {
        let part = |part: &str| {
            let part = format_ident!("{part}");
            quote!(<#returned as #krate::macro_support::Fallible>::#part)
        };
        let (output, error) = (part("Output"), part("Error"));
        (quote!(#krate::functions::FunctionCall<#output, #error>), quote!(try_reply))
    } else {
        (quote!(#krate::functions::FunctionCall<#returned>), quote!(reply))
    };
    let path = quote!(concat!(module_path!(), "::", stringify!(#name)));
    let calls = format!("Calls of the function `{name}`.");
    // Attributes of the function that remove it remove the other items, too.
    let conditions: Vec<_> = function.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
    let creates = format!("Creates a call of `{name}`, to be run by a worker.");
    Ok(quote! {
        // Arguments come from another process, so the function has to own them.
        #[allow(clippy::needless_pass_by_value)]
        #function

        #(#conditions)*
        #[doc = #calls]
        #[allow(non_camel_case_types, dead_code)]
        #visibility enum #name {}

        #(#conditions)*
        #[allow(dead_code, clippy::too_many_arguments)]
        impl #name {
            #[doc = #creates]
            #[must_use]
            #visibility fn job(#(#parameters: #types),*) -> #call {
                #krate::macro_support::named_call(#path, &(#(#parameters,)*))
            }
        }

        #(#conditions)*
        #krate::macro_support::run_before_main!(first: || {
            #krate::macro_support::register(#path, |args| {
                let call = |(#(#parameters,)*): (#(#types,)*)| #name(#(#parameters),*);
                #krate::macro_support::#reply(args, call)
            });
        });
    })
}

/// Rejects what a worker cannot call.
fn check(signature: &Signature) -> Result<()> {
    let error = |spanned: &dyn Spanned, message| Err(Error::new(spanned.span(), message));
    if let Some(token) = &signature.asyncness {
        return error(token, "a job cannot be `async`: block in it, or await its future");
    }
    if let Some(token) = &signature.unsafety {
        return error(token, "a job cannot be `unsafe`");
    }
    if !signature.generics.params.is_empty() {
        return error(&signature.generics, "a job cannot be generic: its name stands for one function");
    }
    Ok(())
}

/// Returns names and types of the parameters. Parameters with a pattern get names by their positions.
fn parameters(signature: &Signature) -> Result<(Vec<Ident>, Vec<&Type>)> {
    let parameters = signature.inputs.iter().enumerate().map(|(index, parameter)| match parameter {
        FnArg::Receiver(receiver) => Err(Error::new(receiver.span(), "a job cannot be a method")),
        FnArg::Typed(parameter) => {
            let name = match &*parameter.pat {
                Pat::Ident(name) => name.ident.clone(),
                _ => format_ident!("argument{index}"),
            };
            Ok((name, &*parameter.ty))
        }
    });
    parameters.collect::<Result<Vec<_>>>().map(|parameters| parameters.into_iter().unzip())
}

fn returned(output: &ReturnType) -> Type {
    match output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, returned) => (**returned).clone(),
    }
}

/// Whether a type is called `Result`, as aliases of it are, too.
fn is_result(returned: &Type) -> bool {
    match returned {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Result"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(function: &ItemFn) -> Result<String> {
        expand(&syn::parse_quote!(::pool), function).map(|tokens| tokens.to_string())
    }

    #[test]
    fn rejects_what_a_worker_cannot_call() {
        let cases: [(ItemFn, &str); 4] = [
            (
                syn::parse_quote!(
                    async fn f() {}
                ),
                "a job cannot be `async`",
            ),
            (
                syn::parse_quote!(
                    unsafe fn f() {}
                ),
                "a job cannot be `unsafe`",
            ),
            (
                syn::parse_quote!(
                    fn f<T>(value: T) {}
                ),
                "a job cannot be generic",
            ),
            (
                syn::parse_quote!(
                    fn f(&self) {}
                ),
                "a job cannot be a method",
            ),
        ];
        for (function, message) in cases {
            let error = expanded(&function).expect_err(message);
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }

    #[test]
    fn condition_of_the_function_applies_to_all_items() {
        let function = syn::parse_quote!(
            #[cfg(feature = "fast")]
            #[inline]
            fn f() {}
        );
        let expanded = expanded(&function).unwrap();
        assert_eq!((expanded.matches("feature").count(), expanded.matches("inline").count()), (4, 1));
    }

    #[test]
    fn result_is_recognised_by_its_name() {
        for (function, is_fallible) in [
            (
                syn::parse_quote!(
                    fn f() -> Result<u8, String> {
                        Ok(7)
                    }
                ),
                true,
            ),
            (
                syn::parse_quote!(
                    fn f() -> some::Result<u8> {
                        Ok(7)
                    }
                ),
                true,
            ),
            (
                syn::parse_quote!(
                    fn f() -> Option<u8> {
                        None
                    }
                ),
                false,
            ),
            (
                syn::parse_quote!(
                    fn f() {}
                ),
                false,
            ),
        ] {
            assert_eq!(expanded(&function).map(|text| text.contains("try_reply")).ok(), Some(is_fallible));
        }
    }
}
