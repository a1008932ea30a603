//! The programs of user-defined ops of one worker.

use std::{env, sync::Arc};

use job::Crash;
use sys::stream::print_error;

use super::{
    ProgramDefinition, Protocol, json,
    requests::Requests,
    running::{NoReply, RunningProgram, invalid_json_reply, unsolicited_reply},
};
use crate::{error::BuiltinError, program_sandbox::ProgramSandbox, value::Value};

/// All defined programs, and the last crash.
#[derive(Debug)]
pub(crate) struct Programs {
    programs: Vec<ManagedProgram>,
    /// Crash of a program during a job, until [`crashed`](Programs::crashed) returns it.
    crash: Option<Crash>,
}

/// A defined program and its process, if it is running.
#[derive(Debug)]
struct ManagedProgram {
    definition: ProgramDefinition,
    running: Option<RunningProgram>,
    /// The program was started before, by this worker or by a previous worker of the same slot.
    is_replaced: bool,
    sandbox: Arc<ProgramSandbox>,
}

impl Programs {
    pub(crate) fn new(definitions: Vec<ProgramDefinition>, sandbox: &Arc<ProgramSandbox>) -> Programs {
        let is_replaced = env::var("RUNNER_GENERATION").is_ok_and(|generation| generation != "0");
        let program =
            |definition| ManagedProgram { definition, running: None, is_replaced, sandbox: sandbox.clone() };
        Programs { programs: definitions.into_iter().map(program).collect(), crash: None }
    }

    /// Returns whether any program is defined, so that requests can be pipelined.
    pub(crate) fn are_defined(&self) -> bool {
        !self.programs.is_empty()
    }

    /// Pipelines the request of a job that runs later. Returns `false` if the program cannot accept it now.
    /// Such jobs must run in the order in which they began.
    pub(crate) fn begin(&mut self, op: &str, request: &[u8]) -> bool {
        let Some(ManagedProgram { definition, running: Some(running), .. }) = self.find(op) else {
            return false;
        };
        let can_pipeline = running.can_pipeline(request.len() + 1);
        if can_pipeline {
            running.push_pipelined(request, definition);
        }
        can_pipeline
    }

    /// Discards all jobs that have begun but do not run here.
    pub(crate) fn discard_started(&mut self) {
        self.programs
            .iter_mut()
            .filter_map(|program| program.running.as_mut())
            .for_each(RunningProgram::discard_pipelined);
    }

    /// Runs a job.
    ///
    /// # Errors
    /// The program's own error, or the reason why there is no reply. If the program has died,
    /// [`crashed`](Programs::crashed) returns the crash afterwards.
    pub(crate) fn run(&mut self, op: &str, request: &[u8]) -> Result<Value, BuiltinError> {
        let Some(program) = self.find(op) else {
            return Err(BuiltinError::OpNotDefined { op: op.to_owned() });
        };
        let protocol = program.definition.protocol;
        match program.call(request) {
            Ok(reply) if protocol == Protocol::Text => Ok(Value::Text(reply.into())),
            Ok(reply) => match json::parse(&reply) {
                Ok(Ok(result)) => Ok(Value::Json(result.into())),
                Ok(Err(message)) => Err(BuiltinError::Program { message }),
                Err(reason) => {
                    // Kill the program: after an invalid reply, later replies may belong to other requests.
                    program.running = None;
                    Err(program.protocol_error(&invalid_json_reply(&reason, &reply)))
                }
            },
            Err(CallError::Job(error)) => Err(error),
            Err(CallError::Crash(crash)) => {
                let error = BuiltinError::Program { message: crash.message.clone() };
                self.crash = Some(crash);
                Err(error)
            }
        }
    }

    /// Returns the crash of a program with an unanswered request, if there was one. The worker must exit
    /// then.
    pub(crate) fn crashed(&mut self) -> Option<Crash> {
        self.crash.take()
    }

    /// Ends all programs and waits for them.
    pub(crate) fn finish(self) {
        for ManagedProgram { definition, running, .. } in self.programs {
            let Some(quote) = running.and_then(|running| running.finish(definition.grace)) else {
                continue;
            };
            print_error(&format!("runner: {}: {}", definition.name, unsolicited_reply(&quote)));
        }
    }

    fn find(&mut self, op: &str) -> Option<&mut ManagedProgram> {
        self.programs.iter_mut().find(|program| program.definition.name == op)
    }
}

/// Reason why a job has no reply.
enum CallError {
    /// The job fails with this error.
    Job(BuiltinError),
    /// The program has died, which is handled like the death of a worker.
    Crash(Crash),
}

impl ManagedProgram {
    fn call(&mut self, request: &[u8]) -> Result<Vec<u8>, CallError> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start(Requests::default())?,
        };
        let mut reply = running.call(request, &self.definition);
        // The program exited between two requests. Start another process and send it the unread requests.
        if let Err(NoReply::Left(mut requests)) = reply {
            requests.rewind();
            running = self.start(requests)?;
            reply = running.reply(&self.definition);
        }
        match reply {
            Ok(reply) => {
                self.running = Some(running);
                Ok(reply)
            }
            Err(NoReply::Died { death, message, stderr }) => {
                let program = self.definition.program();
                Err(CallError::Crash(Crash { death, program, message, stderr }))
            }
            Err(NoReply::Protocol(message)) => Err(CallError::Job(self.protocol_error(&message))),
            Err(NoReply::Left(_)) => unreachable!("`Left` is returned only after a reply"),
        }
    }

    fn start(&mut self, requests: Requests) -> Result<RunningProgram, CallError> {
        let running = RunningProgram::start(&self.definition, requests, &self.sandbox).map_err(|error| {
            let program = self.definition.argv[0].to_string_lossy().into_owned();
            CallError::Job(BuiltinError::ProgramStart { program, reason: error.to_string() })
        })?;
        if let Some(page) = sys::shared_page::current() {
            page.count_program(self.is_replaced);
        }
        self.is_replaced = true;
        Ok(running)
    }

    fn protocol_error(&self, message: &str) -> BuiltinError {
        BuiltinError::Protocol { program: self.definition.program(), message: message.to_owned() }
    }
}

impl ProgramDefinition {
    /// Returns the prefix of each line on standard error.
    pub(super) fn stderr_prefix(&self) -> String {
        match self.prefix_stderr {
            true => format!("{}.{}: ", self.name, env::var("RUNNER_SLOT").unwrap_or_default()),
            false => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, time::Duration};

    use job::DeathCause;

    use super::*;
    use crate::{Depth, Protocol};

    fn definition(script: &str) -> ProgramDefinition {
        ProgramDefinition {
            name: "op".into(),
            argv: ["sh", "-c", script].map(OsString::from).to_vec(),
            protocol: Protocol::Text,
            delimiter: b'\n',
            depth: Depth::Auto,
            start_timeout: Duration::from_secs(60),
            reply_fd: 1,
            max_reply: 1 << 20,
            grace: Duration::from_millis(200),
            prefix_stderr: false,
        }
    }

    fn unconfined(definition: ProgramDefinition) -> Programs {
        Programs::new(vec![definition], &Arc::default())
    }

    fn programs(script: &str) -> Programs {
        unconfined(definition(script))
    }

    fn text(programs: &mut Programs, request: &str) -> Result<String, String> {
        match programs.run("op", request.as_bytes()) {
            Ok(Value::Text(reply)) => Ok(String::from_utf8(reply.into_vec()).unwrap()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    const SQUARE: &str = "while read -r x; do echo $((x * x)); done";

    #[test]
    fn program_is_started_once_and_replies_in_order() {
        let mut programs = programs("echo $$; while read -r x; do echo $((x * x)); done");
        assert!(text(&mut programs, "1").unwrap_err().contains("output before the first request was read"));
        let mut programs = self::programs("n=0; while read -r x; do n=$((n + 1)); echo $x.$n; done");
        for n in 1..10 {
            assert_eq!(text(&mut programs, "a"), Ok(format!("a.{n}")));
        }
        programs.finish();
    }

    #[test]
    fn pipelined_requests_are_answered_in_order() {
        let mut programs = programs(SQUARE);
        assert!(!programs.begin("op", b"1"), "pipelined before the first reply");
        for _ in 0..4 {
            assert_eq!(text(&mut programs, "3").unwrap(), "9");
        }
        let mut depth = 0;
        while depth < 1_000 && programs.begin("op", depth.to_string().as_bytes()) {
            depth += 1;
        }
        assert!(depth > 1, "{depth}");
        for n in 0..depth {
            assert_eq!(text(&mut programs, &n.to_string()).unwrap(), (n * n).to_string());
        }
        assert!(programs.begin("op", b"5"));
        programs.discard_started();
        assert_eq!(text(&mut programs, "6").unwrap(), "36", "returned the reply to the discarded request");
    }

    #[test]
    fn large_requests_and_replies_do_not_deadlock() {
        let mut definition = definition("exec cat");
        definition.max_reply = 20 << 20;
        let mut programs = unconfined(definition);
        let line = "x".repeat(10 << 20);
        for _ in 0..2 {
            assert_eq!(text(&mut programs, &line).unwrap().len(), line.len());
        }
    }

    #[test]
    fn crash_is_reported_with_the_tail_of_standard_error() {
        let mut programs = programs("read -r x; echo oh no >&2; exit 7");
        assert!(text(&mut programs, "1").is_err());
        let crash = programs.crashed().unwrap();
        assert_eq!(crash.death.cause, DeathCause::Exited(7));
        assert_eq!(crash.stderr, b"oh no\n");
        assert_eq!(crash.program, "sh");
        assert!(programs.crashed().is_none());
        assert!(text(&mut programs, "1").is_err(), "not started again");
    }

    #[test]
    fn program_that_exits_between_requests_is_started_again() {
        let mut programs = programs("read -r x; echo $x; read -r x; echo $x.");
        let replies: Vec<String> = (0..6).map(|_| text(&mut programs, "a").unwrap()).collect();
        assert_eq!(replies, ["a", "a.", "a", "a.", "a", "a."]);
        assert!(programs.crashed().is_none());
    }

    #[test]
    fn unread_requests_are_sent_to_the_next_process() {
        // `sh` reads byte by byte, so bytes after the line that it has read stay in the pipe.
        let mut programs = programs("for i in 1 2 3 4 5 6; do read -r x || exit; echo $x; done");
        let mut expected = 0;
        for round in 0..20 {
            let mut next = expected;
            while next < expected + 7 && programs.begin("op", next.to_string().as_bytes()) {
                next += 1;
            }
            for n in expected..next.max(expected + 1) {
                assert_eq!(text(&mut programs, &n.to_string()), Ok(n.to_string()), "round {round}");
            }
            expected = next.max(expected + 1);
        }
        assert!(programs.crashed().is_none());
    }

    #[test]
    fn protocol_errors_quote_the_output() {
        for (script, expected) in [
            ("read x; printf '1\\n2\\n'; sleep 100", "reply without a request: \"2\\n\""),
            ("read x; printf half", "cut off by the end of the output: \"half\""),
            ("read x; exec >&-; sleep 100", "standard output was closed"),
            ("read x; yes | tr -d '\\n'", "reply is longer than 1048576 bytes"),
            ("echo ready; cat", "output before the first request was read: \"ready\\n\""),
        ] {
            let mut programs = programs(script);
            let error = text(&mut programs, "1").unwrap_err();
            assert!(error.starts_with("protocol: sh: ") && error.contains(expected), "{script}: {error}");
            assert!(programs.crashed().is_none());
        }
    }

    #[test]
    fn program_that_does_not_start_in_time_is_killed() {
        let mut definition = definition("sleep 100");
        definition.start_timeout = Duration::from_millis(50);
        let mut programs = unconfined(definition);
        assert!(text(&mut programs, "1").is_err());
        let crash = programs.crashed().unwrap();
        assert_eq!(crash.death.cause, DeathCause::Signalled(9));
        assert!(crash.message.contains("--start-timeout"), "{}", crash.message);
    }

    #[test]
    fn reads_replies_from_another_descriptor() {
        let mut definition = definition("while read -r x; do echo noise; echo $x >&7; done");
        definition.reply_fd = 7;
        let mut programs = unconfined(definition);
        assert_eq!(text(&mut programs, "a").unwrap(), "a");
        assert_eq!(text(&mut programs, "b").unwrap(), "b");
    }

    #[test]
    fn json_results_errors_and_invalid_replies() {
        let mut definition = definition("while read -r x; do echo \"$x\"; done");
        definition.protocol = Protocol::Json;
        let mut programs = unconfined(definition);
        let mut run = |request: &str| programs.run("op", request.as_bytes());
        assert_eq!(run(r#"{"result": 1}"#), Ok(Value::Json(b"1".to_vec().into())));
        assert_eq!(run(r#"{"error":"no"}"#), Err(BuiltinError::Program { message: "no".into() }));
        assert!(run("17").unwrap_err().to_string().contains("reply is not {\"result\": ...}"));
        assert_eq!(run(r#"{"result": []}"#), Ok(Value::Json(b"[]".to_vec().into())), "not started again");
    }

    #[test]
    fn undefined_op_is_an_error() {
        let error = programs(SQUARE).run("other", b"1").unwrap_err();
        assert_eq!(error, BuiltinError::OpNotDefined { op: "other".into() });
    }

    #[test]
    fn empty_requests_are_answered() {
        let mut programs = programs("while read -r x; do echo \"<$x>\"; done");
        let replies: Vec<String> =
            ["", "", "a", ""].map(|request| text(&mut programs, request).unwrap()).to_vec();
        assert_eq!(replies, ["<>", "<>", "<a>", "<>"]);
    }
}
