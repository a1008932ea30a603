//! Catches panics of user code, including message and location, without printing them to standard error.

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
/// The first call installs a panic hook. The hook records panics of threads that are inside this function
/// without printing them, and calls the previous hook for all others.
///
/// ```
/// let panic = portable::catch_panic(|| panic!("number {}", 7)).unwrap_err();
/// assert_eq!(panic.message, "number 7");
/// assert!(panic.location.is_some());
/// assert_eq!(portable::catch_panic(|| 5), Ok(5));
/// ```
///
/// # Errors
/// [`Panic`] if `act` panics.
#[inline]
pub fn catch_panic<T>(act: impl FnOnce() -> T) -> Result<T, Panic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| if CATCHING.get() { record(info) } else { previous(info) }));
    });
    let outer = CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let recorded = CAUGHT.take();
        let panic = recorded.unwrap_or_else(|| Panic {
            message: message_of(&*payload),
            location: None,
            backtrace: None,
        });
        drop_payload(payload);
        panic
    });
    CATCHING.set(outer);
    result
}

/// Drops a panic payload. If that panics too, the payload of the second panic is leaked, since dropping it
/// may panic again.
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(another) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(another);
        CAUGHT.set(None);
    }
}

fn record(info: &PanicHookInfo<'_>) {
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
    fn returns_message_and_location() {
        let panic = catch_panic(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!(panic.message, "number 7");
        assert!(panic.location.unwrap().starts_with("crates/portable/src/catch.rs:"));
        assert_eq!(catch_panic(|| 5), Ok(5));
    }

    #[test]
    fn catches_payload_that_panics_on_drop() {
        struct PanicsOnDrop(u32);
        impl Drop for PanicsOnDrop {
            fn drop(&mut self) {
                panic::panic_any(PanicsOnDrop(self.0 + 1));
            }
        }
        let panic = catch_panic(|| panic::panic_any(PanicsOnDrop(1))).unwrap_err();
        assert_eq!(panic.message, "a panic without a message");
        assert_eq!(
            catch_panic(|| panic::resume_unwind(Box::new(PanicsOnDrop(1)))).unwrap_err().location,
            None
        );
        let panic = catch_panic(|| panic::resume_unwind(Box::new("quiet"))).unwrap_err();
        assert_eq!(
            (panic.message.as_str(), panic.location),
            ("quiet", None),
            "location of the previous panic is still recorded"
        );
    }

    #[test]
    fn catches_payload_of_any_type() {
        let panic = catch_panic(|| panic::panic_any(5u8)).unwrap_err();
        assert_eq!(panic.message, "a panic without a message");
        // `resume_unwind` calls no hook.
        let panic = catch_panic(|| panic::resume_unwind(Box::new("quiet"))).unwrap_err();
        assert_eq!((panic.message.as_str(), panic.location), ("quiet", None));
    }
}
