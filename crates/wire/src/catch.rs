//! Catching the panics of other people's code, with message and place, and without a word on standard error.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    cell::{Cell, RefCell},
    mem,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

use job::Panic;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Calls `act` and catches its panic.
///
/// The first call puts a hook before the process's panic hook; it is silent only on threads that are inside this
/// function and passes everything else on.
///
/// ```
/// let panic = wire::catch_panic(|| panic!("number {}", 7)).unwrap_err();
/// assert_eq!(panic.message, "number 7");
/// assert!(panic.location.is_some());
/// assert_eq!(wire::catch_panic(|| 5), Ok(5));
/// ```
///
/// # Errors
/// The panic.
#[inline]
pub fn catch_panic<T>(act: impl FnOnce() -> T) -> Result<T, Panic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| if CATCHING.get() { note(info) } else { previous(info) }));
    });
    let outer = CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let noted = CAUGHT.take();
        let panic = noted.unwrap_or_else(|| Panic {
            message: message_of(&*payload),
            location: None,
            backtrace: None,
        });
        discard(payload);
        panic
    });
    CATCHING.set(outer);
    result
}

/// Drops a payload, which may panic in its turn, with a payload that is better left alone.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(another);
        CAUGHT.set(None);
    }
}

fn note(info: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    CAUGHT.set(Some(Panic {
        message: message_of(info.payload()),
        location: info.location().map(ToString::to_string),
        backtrace: (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string()),
    }));
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_and_place_are_kept() {
        let panic = catch_panic(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!(panic.message, "number 7");
        assert!(panic.location.unwrap().starts_with("crates/wire/src/catch.rs:"));
        assert_eq!(catch_panic(|| 5), Ok(5));
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_is_caught() {
        struct Bomb(u32);
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic::panic_any(Bomb(self.0 + 1));
            }
        }
        let panic = catch_panic(|| panic::panic_any(Bomb(1))).unwrap_err();
        assert_eq!(panic.message, "a panic without a message");
        assert_eq!(catch_panic(|| panic::resume_unwind(Box::new(Bomb(1)))).unwrap_err().location, None);
        let panic = catch_panic(|| panic::resume_unwind(Box::new("quiet"))).unwrap_err();
        assert_eq!(
            (panic.message.as_str(), panic.location),
            ("quiet", None),
            "nothing is left of the one before"
        );
    }

    #[test]
    fn a_payload_of_any_type_is_caught() {
        let panic = catch_panic(|| panic::panic_any(5u8)).unwrap_err();
        assert_eq!(panic.message, "a panic without a message");
        // `resume_unwind` calls no hook.
        let panic = catch_panic(|| panic::resume_unwind(Box::new("quiet"))).unwrap_err();
        assert_eq!((panic.message.as_str(), panic.location), ("quiet", None));
    }
}
