//! Which files may be opened, and for what.

use std::path::PathBuf;

use crate::{Sandbox, Subject};

/// What a path may be opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading.
    Read,
    /// Reading and executing.
    ReadAndExecute,
    /// Reading and writing an existing file, such as `/dev/null`.
    WriteExisting,
    /// Reading, writing, creating and removing.
    Write,
}

/// A path, and all below it if it is a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRule {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
    /// Whether a path that cannot be opened is an error.
    pub(crate) is_required: bool,
}

/// Returns the rules for opening files. Everything else is forbidden.
pub(crate) fn file_rules(subject: Subject, sandbox: &Sandbox) -> Vec<FileRule> {
    let built_in = match subject {
        // A backtrace is made of the executable's symbols, and of the addresses at which it is mapped.
        Subject::Worker => [("/proc/self/exe", Access::Read), ("/proc/self/maps", Access::Read)],
        Subject::Program => [("/", Access::ReadAndExecute), ("/dev/null", Access::WriteExisting)],
    };
    let built_in = built_in.map(|(path, access)| FileRule { path: path.into(), access, is_required: false });
    let given = |path: &std::path::Path, access| FileRule { path: path.into(), access, is_required: true };
    let read = sandbox.readable().map(|path| given(path, Access::Read));
    let write = sandbox.writable().map(|path| given(path, Access::Write));
    built_in.into_iter().chain(read).chain(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(subject: Subject, sandbox: &Sandbox) -> Vec<(String, Access)> {
        let rules = file_rules(subject, sandbox).into_iter();
        rules.map(|rule| (rule.path.display().to_string(), rule.access)).collect()
    }

    #[test]
    fn a_worker_reads_what_backtraces_need_and_what_is_given() {
        let own = [("/proc/self/exe".to_owned(), Access::Read), ("/proc/self/maps".to_owned(), Access::Read)];
        assert_eq!(rules(Subject::Worker, &Sandbox::compute()), own);
        let given = Sandbox::compute().read("/data").write("/out");
        let [exe, maps] = own;
        let expected = [exe, maps, ("/data".to_owned(), Access::Read), ("/out".to_owned(), Access::Write)];
        assert_eq!(rules(Subject::Worker, &given), expected);
    }

    #[test]
    fn a_program_reads_all_and_writes_to_null() {
        let expected =
            [("/".to_owned(), Access::ReadAndExecute), ("/dev/null".to_owned(), Access::WriteExisting)];
        assert_eq!(rules(Subject::Program, &Sandbox::compute()), expected);
    }

    #[test]
    fn only_given_paths_must_exist() {
        let rules = file_rules(Subject::Worker, &Sandbox::compute().read("/data"));
        let required: Vec<bool> = rules.iter().map(|rule| rule.is_required).collect();
        assert_eq!(required, [false, false, true]);
    }
}
