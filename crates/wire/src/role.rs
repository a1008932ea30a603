//! How a process learns that it is a worker: its parent hands it a descriptor and a variable of the
//! environment.
//!
//! `argv` has no part in it, because it is the program's own: the harness of a test would take further words
//! for names of tests, and a program that parses its arguments before it enters as a worker would refuse
//! them.
//!
//! A variable alone would be inherited by whatever the worker's jobs start, and a program that starts itself
//! would become a worker in place of doing what it was started for. So the variable is removed before `main`
//! ([`startup`](sys::startup)), it names the parent, which has to be the process's own, and it names a
//! descriptor, which has to be one of a [`SharedPage`]. A process for which that does not hold has no role.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::OnceLock,
};

use sys::{
    shared_page::SharedPage,
    startup::{GivenRole, ROLE_VARIABLE, given_role},
};

/// The role of a worker: what it serves, and where it meets its parent.
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
    /// The role of a worker that this process is about to start, and that inherits the descriptor of a page.
    #[must_use]
    pub fn new(job_type: &str, rendezvous: &str, page: BorrowedFd<'_>) -> Role {
        Role {
            parent: std::process::id(),
            page: page.as_raw_fd(),
            job_type: job_type.to_owned(),
            rendezvous: rendezvous.to_owned(),
        }
    }

    /// Name and value of the variable that hands the role over.
    #[must_use]
    pub fn variable(&self) -> (&'static str, String) {
        let Role { parent, page, job_type, rendezvous } = self;
        // The job type's length separates it from the path, since both may contain any character.
        (ROLE_VARIABLE, format!("{parent} {page} {} {job_type}{rendezvous}", job_type.len()))
    }

    /// Returns the role that this process was started in; `None` if it was not started as a worker.
    #[must_use]
    pub fn of_this_process() -> Option<&'static Role> {
        static ROLE: OnceLock<Option<Role>> = OnceLock::new();
        ROLE.get_or_init(|| {
            let role = Role::taken(given_role()?)?;
            SharedPage::is_at(role.page).then_some(role)
        })
        .as_ref()
    }

    /// The role that was given, if it was given to a child of the process that gave it.
    fn taken(given: &GivenRole) -> Option<Role> {
        Role::parse(&given.value).filter(|role| role.parent == given.parent)
    }

    fn parse(value: &str) -> Option<Role> {
        let mut fields = value.splitn(4, ' ');
        let (parent, page) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let length = fields.next()?.parse().ok()?;
        let (job_type, rendezvous) = fields.next()?.split_at_checked(length)?;
        Some(Role { parent, page, job_type: job_type.to_owned(), rendezvous: rendezvous.to_owned() })
    }

    /// Name of the type of the jobs.
    #[must_use]
    pub fn job_type(&self) -> &str {
        &self.job_type
    }

    /// Name of the place to [join](crate::join) the parent at.
    #[must_use]
    pub fn rendezvous(&self) -> &str {
        &self.rendezvous
    }

    /// Opens the page that is shared with the parent. Its descriptor is closed, so this succeeds once.
    ///
    /// # Errors
    /// When it was opened before, or the system refuses the mapping.
    pub fn open_page(&self) -> io::Result<SharedPage> {
        SharedPage::adopt(self.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_role_goes_through_its_variable() {
        let (_page, descriptor) = SharedPage::create().unwrap();
        for (job_type, rendezvous) in
            [("square", "/tmp/.tmpA/socket"), ("a job of 7 words", "/tmp/a b\n=/c"), ("größe", ""), ("", "x")]
        {
            let role = Role::new(job_type, rendezvous, descriptor.as_fd());
            assert_eq!(Role::parse(&role.variable().1), Some(role));
        }
    }

    #[test]
    fn what_is_no_role_is_ignored() {
        for value in ["", "4", "1 2 3", "1 2 3 ab", "x 2 1 a", "1 2 -1 a", "1 2 1 ö", "-1 2 1 a"] {
            assert_eq!(Role::parse(value), None, "{value}");
        }
    }

    #[test]
    fn a_role_is_for_a_child_of_the_process_that_gives_it() {
        let (_page, descriptor) = SharedPage::create().unwrap();
        let (_, value) = Role::new("square", "x", descriptor.as_fd()).variable();
        let given = |parent| GivenRole { value: value.clone(), parent };
        assert!(Role::taken(&given(std::process::id())).is_some());
        assert!(Role::taken(&given(std::os::unix::process::parent_id())).is_none());
        assert!(Role::taken(&given(0)).is_none());
    }
}
