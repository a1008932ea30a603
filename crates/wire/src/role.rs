//! The worker role: a parent passes it to a worker process with an environment variable and a file
//! descriptor.
//!
//! `argv` is not used, because it belongs to the program: a test harness would interpret additional arguments
//! as names of tests, and a program that parses its arguments before it becomes a worker would reject them.
//!
//! An environment variable alone is not sufficient. Processes that jobs start would inherit it, and a program
//! that starts itself would become a worker instead. Therefore the variable is removed before `main`
//! ([`startup`](sys::startup)), it must name the process's own parent, and it must name a descriptor of a
//! [`SharedPage`]. Otherwise the process has no role.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::OnceLock,
};

use sys::{
    shared_page::SharedPage,
    startup::{InitialRole, ROLE_VARIABLE, given_role},
};

/// Role of a worker: the job type that it serves and the name of the rendezvous with its parent.
///
/// ```
/// use std::os::fd::AsFd;
/// use wire::Role;
///
/// let (_page, descriptor) = sys::shared_page::SharedPage::create()?;
/// let role = Role::new("square", "/tmp/rendezvous", descriptor.as_fd());
/// let (name, value) = role.variable();
/// assert_eq!(name, "RUNNER_WORKER_ROLE");
/// assert!(value.ends_with("square/tmp/rendezvous"));
/// assert!(Role::of_this_process().is_none(), "this is no worker");
/// # Ok::<(), sys::call::CallError>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Role {
    parent: u32,
    page: RawFd,
    job_type: String,
    rendezvous: String,
}

impl Role {
    /// Creates the role of a worker that this process is about to start. The worker must inherit the
    /// descriptor `page`.
    #[must_use]
    pub fn new(job_type: &str, rendezvous: &str, page: BorrowedFd<'_>) -> Role {
        Role {
            parent: std::process::id(),
            page: page.as_raw_fd(),
            job_type: job_type.to_owned(),
            rendezvous: rendezvous.to_owned(),
        }
    }

    /// Returns name and value of the environment variable that passes the role to the worker.
    #[must_use]
    pub fn variable(&self) -> (&'static str, String) {
        let Role { parent, page, job_type, rendezvous } = self;
        // The job type is preceded by its length, because job type and path may contain any character.
        (ROLE_VARIABLE, format!("{parent} {page} {} {job_type}{rendezvous}", job_type.len()))
    }

    /// Returns the role of this process, or `None` if it was not started as a worker.
    #[must_use]
    pub fn of_this_process() -> Option<&'static Role> {
        static ROLE: OnceLock<Option<Role>> = OnceLock::new();
        ROLE.get_or_init(|| {
            let role = Role::from_given(given_role()?)?;
            SharedPage::is_page_fd(role.page).then_some(role)
        })
        .as_ref()
    }

    /// Returns the given role if it was given by the parent of this process.
    fn from_given(given: &InitialRole) -> Option<Role> {
        Role::parse(&given.value).filter(|role| role.parent == given.parent)
    }

    fn parse(value: &str) -> Option<Role> {
        let mut fields = value.splitn(4, ' ');
        let (parent, page) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let length = fields.next()?.parse().ok()?;
        let (job_type, rendezvous) = fields.next()?.split_at_checked(length)?;
        Some(Role { parent, page, job_type: job_type.to_owned(), rendezvous: rendezvous.to_owned() })
    }

    /// Name of the job type.
    #[must_use]
    pub fn job_type(&self) -> &str {
        &self.job_type
    }

    /// Name of the rendezvous at which the worker [connects](crate::connect) to its parent.
    #[must_use]
    pub fn rendezvous(&self) -> &str {
        &self.rendezvous
    }

    /// Opens the page that is shared with the parent and closes its descriptor, so this succeeds only once.
    ///
    /// # Errors
    /// If the page was opened before, or the system cannot map it.
    pub fn open_shared_page(&self) -> io::Result<SharedPage> {
        SharedPage::adopt(self.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn parses_its_own_variable() {
        let (_page, descriptor) = SharedPage::create().unwrap();
        for (job_type, rendezvous) in
            [("square", "/tmp/.tmpA/socket"), ("a job of 7 words", "/tmp/a b\n=/c"), ("größe", ""), ("", "x")]
        {
            let role = Role::new(job_type, rendezvous, descriptor.as_fd());
            assert_eq!(Role::parse(&role.variable().1), Some(role));
        }
    }

    #[test]
    fn ignores_malformed_variables() {
        for value in ["", "4", "1 2 3", "1 2 3 ab", "x 2 1 a", "1 2 -1 a", "1 2 1 ö", "-1 2 1 a"] {
            assert_eq!(Role::parse(value), None, "{value}");
        }
    }

    #[test]
    fn accepts_roles_from_own_parent_only() {
        let (_page, descriptor) = SharedPage::create().unwrap();
        let (_, value) = Role::new("square", "x", descriptor.as_fd()).variable();
        let given = |parent| InitialRole { value: value.clone(), parent };
        assert!(Role::from_given(&given(std::process::id())).is_some());
        assert!(Role::from_given(&given(std::os::unix::process::parent_id())).is_none());
        assert!(Role::from_given(&given(0)).is_none());
    }
}
