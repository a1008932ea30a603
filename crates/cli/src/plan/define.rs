//! Converts `--define` and the arguments of `runner each` to definitions of ops.

use std::{
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use ops::{ProgramDefinition, Protocol};

use crate::{
    args::{EachArguments, RunOptions},
    error::DefineError,
    parse::{DefinedOp, Op, nearest},
};

/// User-defined ops: the definitions for the workers, and the ops for the parser of jobs.
pub(crate) struct DefinedOps {
    pub(crate) programs: Vec<ProgramDefinition>,
    pub(crate) ops: &'static [DefinedOp],
}

impl DefinedOps {
    /// Defines the ops of `--define`.
    pub(crate) fn by_options(define: &[String], options: &RunOptions) -> Result<DefinedOps, DefineError> {
        let on_cluster = options.cluster.is_enabled();
        let mut ops: Vec<(String, Vec<OsString>)> = Vec::new();
        for text in define {
            let (name, command) = match text.split_once('=') {
                Some((name, command)) => (name.to_owned(), Some(command)),
                None => (text.clone(), None),
            };
            check_name(&name)?;
            if ops.iter().any(|(other, _)| *other == name) {
                return Err(DefineError::Twice { name });
            }
            let argv = match command {
                None if on_cluster => Vec::new(),
                None => return Err(DefineError::NoCommand { name }),
                Some(_) if on_cluster => return Err(DefineError::CommandOnCluster { name }),
                Some(command) => words(&name, command)?,
            };
            ops.push((name, argv));
        }
        let protocol = options.program.protocol.map_or(Protocol::Json, Protocol::from);
        DefinedOps::new(ops, (protocol, b'\n'), options)
    }

    /// Defines the op of `runner each`.
    pub(crate) fn by_each(each: &EachArguments) -> Result<DefinedOps, DefineError> {
        let on_cluster = each.run.cluster.is_enabled();
        let name = match (&each.run.op, on_cluster) {
            (None, false) if each.program.is_empty() => return Err(DefineError::NoProgram),
            (Some(_), false) => return Err(DefineError::OpWithoutCluster),
            (_, true) if !each.program.is_empty() => return Err(DefineError::ProgramOnCluster),
            (None, true) => return Err(DefineError::NoOp),
            (Some(name), true) => {
                check_name(name)?;
                String::clone(name)
            }
            (None, false) => {
                let path = Path::new(&each.program[0]);
                path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
            }
        };
        let protocol = each.run.program.protocol.map_or(Protocol::Text, Protocol::from);
        let delimiter = if each.null { 0 } else { b'\n' };
        DefinedOps::new(vec![(name, each.program.clone())], (protocol, delimiter), &each.run)
    }

    fn new(
        ops: Vec<(String, Vec<OsString>)>,
        (protocol, delimiter): (Protocol, u8),
        options: &RunOptions,
    ) -> Result<DefinedOps, DefineError> {
        if options.program.reply_fd == 2 {
            return Err(DefineError::ReplyFd);
        }
        let known: Vec<DefinedOp> = ops
            .iter()
            .map(|(name, argv)| DefinedOp {
                name: name.clone(),
                protocol,
                delimiter,
                identity: identity(name, protocol, argv),
            })
            .collect();
        let programs =
            ops.into_iter().filter(|(_, argv)| !argv.is_empty()).map(|(name, argv)| ProgramDefinition {
                name,
                argv,
                protocol,
                delimiter,
                depth: options.program.depth,
                start_timeout: options.program.start_timeout,
                reply_fd: options.program.reply_fd,
                max_reply: options.max_result.0,
                grace: options.kill_after,
                prefix_stderr: io::stderr().is_terminal(),
            });
        // Leaked because the set of ops is created once and used until the process exits.
        Ok(DefinedOps { programs: programs.collect(), ops: known.leak() })
    }

    /// Looks up the op of `--op`.
    pub(crate) fn op(&self, name: &str) -> Result<Op, DefineError> {
        Op::from_name(name, self.ops).ok_or_else(|| {
            let near = nearest(name, Op::names(self.ops));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            DefineError::UnknownOp { name: name.to_owned(), hint }
        })
    }
}

fn check_name(name: &str) -> Result<(), DefineError> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || !name.bytes().all(is_letter) {
        return Err(DefineError::Name { name: name.to_owned() });
    }
    match Op::from_name(name, &[]) {
        Some(_) => Err(DefineError::BuiltIn { name: name.to_owned() }),
        None => Ok(()),
    }
}

fn words(name: &str, command: &str) -> Result<Vec<OsString>, DefineError> {
    let words = shell_words::split(command).map_err(|_| DefineError::Quotes { name: name.to_owned() })?;
    match words.is_empty() {
        true => Err(DefineError::Empty { name: name.to_owned() }),
        false => Ok(words.into_iter().map(OsString::from).collect()),
    }
}

/// Returns name, protocol and arguments, each terminated by a NUL byte, which none of them contains.
fn identity(name: &str, protocol: Protocol, argv: &[OsString]) -> Vec<u8> {
    let protocol = match protocol {
        Protocol::Text => "text",
        Protocol::Json => "json",
    };
    let parts =
        [OsStr::new(name), OsStr::new(protocol)].into_iter().chain(argv.iter().map(OsString::as_os_str));
    parts.flat_map(|part| [part.as_bytes(), b"\0"].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ops_are_checked() {
        assert!(["score", "a-b_c.1"].into_iter().all(|name| check_name(name).is_ok()));
        assert!(
            ["", "a b", "a/b", "é"]
                .into_iter()
                .all(|name| matches!(check_name(name), Err(DefineError::Name { .. })))
        );
        assert!(matches!(check_name("gcd"), Err(DefineError::BuiltIn { .. })));
    }

    #[test]
    fn commands_are_split_like_in_a_shell() {
        let split = |command| words("x", command).unwrap();
        assert_eq!(split("python3 'a b.py' --x=\"1 2\""), ["python3", "a b.py", "--x=1 2"]);
        assert!(matches!(words("x", "a 'b"), Err(DefineError::Quotes { .. })));
        assert!(matches!(words("x", "  "), Err(DefineError::Empty { .. })));
    }

    #[test]
    fn the_identity_depends_on_name_protocol_and_arguments() {
        let argv = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let one = identity("x", Protocol::Text, &argv(&["a", "b"]));
        assert_ne!(one, identity("x", Protocol::Text, &argv(&["a b"])));
        assert_ne!(one, identity("x", Protocol::Json, &argv(&["a", "b"])));
        assert_ne!(one, identity("y", Protocol::Text, &argv(&["a", "b"])));
    }
}
