//! Options that can also be set by an environment variable. The command line takes precedence.
//!
//! This differs from clap's own handling: clap reads the variables of all options on the path to the called
//! subcommand, takes an empty variable as a value, and names the option instead of the variable in errors.

use std::{
    env,
    ffi::{OsStr, OsString},
};

use clap::{
    ArgMatches, Command,
    builder::Resettable,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};

/// Parses a command line; `words[0]` is the name of the program. Reads only the variables of the called
/// command and treats empty ones as unset.
///
/// # Errors
/// When the command line or a variable is invalid. An error caused by a variable names the variable.
pub(crate) fn matches(command: &Command, words: &[OsString]) -> Result<ArgMatches, Error> {
    let is_not_empty = |name: &OsStr| env::var_os(name).is_none_or(|value| !value.is_empty());
    let with = |is_read: &dyn Fn(&OsStr) -> bool| {
        // A subcommand can only be the first word, and does not share the options of a run.
        let is_run = words.get(1).and_then(|word| command.find_subcommand(word)).is_none();
        let command = read_variables(command.clone(), &|name| is_read(name) && is_not_empty(name));
        let command = if is_run { command } else { command.mut_args(|option| option.env(Resettable::Reset)) };
        command.try_get_matches_from(words)
    };
    with(&|_| true).map_err(|error| {
        if with(&|_| false).is_err() {
            // The command line itself is invalid, or requests help.
            return error;
        }
        let culprit = |name: &OsString| with(&|other| other == name).is_err();
        match variables(command).into_iter().find(culprit) {
            Some(name) => name_variable(error, &name, command),
            None => error,
        }
    })
}

/// Returns the command without environment variables.
pub(crate) fn ignore_variables(command: Command) -> Command {
    read_variables(command, &|_| false)
}

fn read_variables(command: Command, is_read: &dyn Fn(&OsStr) -> bool) -> Command {
    let command = command.mut_args(|option| match option.get_env() {
        Some(name) if !is_read(name) => option.env(Resettable::Reset),
        _ => option,
    });
    command.mut_subcommands(|command| read_variables(command, is_read))
}

/// Returns the names of the variables of a command and its subcommands.
fn variables(command: &Command) -> Vec<OsString> {
    let own = command.get_arguments().filter_map(|option| option.get_env().map(OsStr::to_owned));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

fn name_variable(mut error: Error, name: &OsStr, command: &Command) -> Error {
    let name = name.to_string_lossy();
    if error.kind() == ErrorKind::InvalidUtf8 {
        return command.clone().error(ErrorKind::InvalidUtf8, format!("the variable {name} is not UTF-8"));
    }
    error.insert(ContextKind::InvalidArg, ContextValue::String(name.into_owned()));
    error
}
