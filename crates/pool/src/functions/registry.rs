//! Functions with `#[job]`, by name.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use super::encoded::{CallError, Thunk};

/// `None` if two functions have the name.
static FUNCTIONS: RwLock<BTreeMap<&'static str, Option<Thunk>>> = RwLock::new(BTreeMap::new());

/// Registers a function. Called before `main`, once for each function with `#[job]`.
pub fn register(name: &'static str, thunk: Thunk) {
    let mut functions = FUNCTIONS.write().unwrap_or_else(PoisonError::into_inner);
    functions.entry(name).and_modify(|known| *known = None).or_insert(Some(thunk));
}

/// Returns the function with this name.
pub(super) fn find(name: &str) -> Result<Thunk, CallError> {
    let functions = FUNCTIONS.read().unwrap_or_else(PoisonError::into_inner);
    match functions.get(name) {
        Some(Some(thunk)) => Ok(*thunk),
        Some(None) => {
            Err(CallError::Message(format!("two functions with `#[pool::job]` are called `{name}`")))
        }
        None => Err(CallError::Message(format!("the worker's program has no function `{name}`"))),
    }
}
