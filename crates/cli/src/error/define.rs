//! Errors of the definitions of ops.

/// Invalid definition of an op.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DefineError {
    #[error("--define {name}: names of ops may contain only letters, digits, `_`, `-` and `.`")]
    Name { name: String },
    #[error("--define {name}: there is a built-in op of this name")]
    BuiltIn { name: String },
    #[error("--define {name}: the op is defined twice")]
    Twice { name: String },
    #[error("--define {name}: the command has an unclosed quote")]
    Quotes { name: String },
    #[error("--define {name}=: the command is empty")]
    Empty { name: String },
    #[error(
        "--define {name}: give a command, as in --define {name}='./program'; with --cluster the nodes \
         define it"
    )]
    NoCommand { name: String },
    #[error("--define {name}=...: with --cluster the nodes define the command; give --define {name}")]
    CommandOnCluster { name: String },
    #[error("each: no program given; usage: runner each [OPTIONS] [FILE]... -- PROGRAM [ARG]...")]
    NoProgram,
    #[error("each: with --cluster the nodes define the program; give --op NAME and no program")]
    ProgramOnCluster,
    #[error("each: --op can only be used with --cluster; without it the op is the program after `--`")]
    OpWithoutCluster,
    #[error("each: --cluster needs --op NAME, the op that the nodes define")]
    NoOp,
    #[error("--op {name}: unknown op{hint}")]
    UnknownOp { name: String, hint: String },
    #[error("--reply-fd must not be 2, which is standard error")]
    ReplyFd,
}
