//! The programs of one worker.

use std::env;

use job::Crash;
use sys::stream::print_error;

use super::{
    ProgramDefinition, Protocol,
    exchange::{Exchange, NoReply, no_json},
    json,
    requests::Requests,
};
use crate::{BuiltinError, Value};

/// The programs that are defined, those that run, and the end of one that took a job with it.
#[derive(Debug)]
pub(crate) struct Programs {
    programs: Vec<Program>,
    crash: Option<Crash>,
}

#[derive(Debug)]
struct Program {
    definition: ProgramDefinition,
    exchange: Option<Exchange>,
    /// One was started before, here or in the worker before this one.
    is_replaced: bool,
}

impl Programs {
    pub(crate) fn new(definitions: Vec<ProgramDefinition>) -> Programs {
        let is_replaced = env::var("RUNNER_GENERATION").is_ok_and(|generation| generation != "0");
        let program = |definition| Program { definition, exchange: None, is_replaced };
        Programs { programs: definitions.into_iter().map(program).collect(), crash: None }
    }

    /// Whether jobs may begin ahead.
    pub(crate) fn are_defined(&self) -> bool {
        !self.programs.is_empty()
    }

    /// Sends the request of a job ahead of its turn; returns whether it did. Jobs take their turns in the order in which
    /// they began.
    pub(crate) fn begin(&mut self, op: &str, request: &[u8]) -> bool {
        let Some(Program { definition, exchange: Some(exchange), .. }) = self.find(op) else { return false };
        let takes = exchange.takes_ahead(request.len() + 1);
        if takes {
            exchange.push_ahead(request, definition);
        }
        takes
    }

    /// Gives up all jobs that have begun: they run elsewhere.
    pub(crate) fn give_up_begun(&mut self) {
        self.programs
            .iter_mut()
            .filter_map(|program| program.exchange.as_mut())
            .for_each(Exchange::give_up_ahead);
    }

    /// Runs a job.
    ///
    /// # Errors
    /// The program's own error, or why there is no reply; [`crashed`](Programs::crashed) then says whether the program has ended.
    pub(crate) fn run(&mut self, op: &str, request: &[u8]) -> Result<Value, BuiltinError> {
        let Some(program) = self.find(op) else {
            return Err(BuiltinError::OpNotDefined { op: op.to_owned() });
        };
        let protocol = program.definition.protocol;
        match program.call(request) {
            Ok(reply) if protocol == Protocol::Text => Ok(Value::Text(reply.into())),
            Ok(reply) => match json::read(&reply) {
                Ok(Ok(result)) => Ok(Value::Json(result.into())),
                Ok(Err(message)) => Err(BuiltinError::Program { message }),
                Err(reason) => {
                    // Killed: who writes one bad reply has lost count, maybe.
                    program.exchange = None;
                    Err(program.broke_protocol(&no_json(&reason, &reply)))
                }
            },
            Err(Failed::Job(error)) => Err(error),
            Err(Failed::Worker(crash)) => {
                let error = BuiltinError::Program { message: crash.message.clone() };
                self.crash = Some(crash);
                Err(error)
            }
        }
    }

    /// The end of a program with its request unanswered, after which the worker must end.
    pub(crate) fn crashed(&mut self) -> Option<Crash> {
        self.crash.take()
    }

    /// Ends the programs in good order.
    pub(crate) fn finish(self) {
        for Program { definition, exchange, .. } in self.programs {
            let Some(unsolicited) = exchange.and_then(|exchange| exchange.finish(definition.grace)) else {
                continue;
            };
            let name = definition.name;
            print_error(&format!(
                "runner: {name}: a reply without a request: {unsolicited}; earlier replies of it may be shifted"
            ));
        }
    }

    fn find(&mut self, op: &str) -> Option<&mut Program> {
        self.programs.iter_mut().find(|program| program.definition.name == op)
    }
}

/// Why a job has no reply.
enum Failed {
    /// That is the job's own outcome.
    Job(BuiltinError),
    /// The program has ended in it, as workers do.
    Worker(Crash),
}

impl Program {
    fn call(&mut self, request: &[u8]) -> Result<Vec<u8>, Failed> {
        let mut exchange = match self.exchange.take() {
            Some(exchange) => exchange,
            None => self.start(Requests::default())?,
        };
        let mut reply = exchange.call(request, &self.definition);
        // It has done its work and left: another one takes over, which must read what it is sent.
        if let Err(NoReply::Left(mut requests)) = reply {
            requests.rewind();
            exchange = self.start(requests)?;
            reply = exchange.reply(&self.definition);
        }
        match reply {
            Ok(reply) => {
                self.exchange = Some(exchange);
                Ok(reply)
            }
            Err(NoReply::Died { death, message, stderr }) => {
                let program = self.definition.program();
                Err(Failed::Worker(Crash { death, program, message, stderr }))
            }
            Err(NoReply::Protocol(message)) => Err(Failed::Job(self.broke_protocol(&message))),
            Err(NoReply::Left(_)) => unreachable!("a program that has never replied does not leave"),
        }
    }

    fn start(&mut self, requests: Requests) -> Result<Exchange, Failed> {
        let exchange = Exchange::start(&self.definition, requests).map_err(|error| {
            let program = self.definition.argv[0].to_string_lossy().into_owned();
            Failed::Job(BuiltinError::ProgramNotRun { program, reason: error.to_string() })
        })?;
        if let Some(page) = sys::shared_page::current() {
            page.note_program(self.is_replaced);
        }
        self.is_replaced = true;
        Ok(exchange)
    }

    fn broke_protocol(&self, message: &str) -> BuiltinError {
        BuiltinError::Protocol { program: self.definition.program(), message: message.to_owned() }
    }
}

impl ProgramDefinition {
    /// What each of its lines on standard error starts with.
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

    fn programs(script: &str) -> Programs {
        Programs::new(vec![definition(script)])
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
    fn a_program_is_started_once_and_answers_in_order() {
        let mut programs = programs("echo $$; while read -r x; do echo $((x * x)); done");
        assert!(text(&mut programs, "1").unwrap_err().contains("output before the first request was read"));
        let mut programs = self::programs("n=0; while read -r x; do n=$((n + 1)); echo $x.$n; done");
        for n in 1..10 {
            assert_eq!(text(&mut programs, "a"), Ok(format!("a.{n}")));
        }
        programs.finish();
    }

    #[test]
    fn requests_ahead_are_answered_in_their_turn() {
        let mut programs = programs(SQUARE);
        assert!(!programs.begin("op", b"1"), "nothing is begun before it has replied");
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
        programs.give_up_begun();
        assert_eq!(text(&mut programs, "6").unwrap(), "36", "the reply to the discarded request is dropped");
    }

    #[test]
    fn a_large_request_and_a_large_reply_do_not_wait_for_each_other() {
        let mut definition = definition("exec cat");
        definition.max_reply = 20 << 20;
        let mut programs = Programs::new(vec![definition]);
        let line = "x".repeat(10 << 20);
        for _ in 0..2 {
            assert_eq!(text(&mut programs, &line).unwrap().len(), line.len());
        }
    }

    #[test]
    fn the_end_of_a_program_is_reported_with_its_last_words() {
        let mut programs = programs("read -r x; echo oh no >&2; exit 7");
        assert!(text(&mut programs, "1").is_err());
        let crash = programs.crashed().unwrap();
        assert_eq!(crash.death.cause, DeathCause::Exited(7));
        assert_eq!(crash.stderr, b"oh no\n");
        assert_eq!(crash.program, "sh");
        assert!(programs.crashed().is_none());
        assert!(text(&mut programs, "1").is_err(), "it is started again");
    }

    #[test]
    fn a_program_that_leaves_between_requests_is_started_again() {
        let mut programs = programs("read -r x; echo $x; read -r x; echo $x.");
        let replies: Vec<String> = (0..6).map(|_| text(&mut programs, "a").unwrap()).collect();
        assert_eq!(replies, ["a", "a.", "a", "a.", "a", "a."]);
        assert!(programs.crashed().is_none());
    }

    #[test]
    fn requests_that_a_program_left_unread_go_to_the_next_one() {
        // `sh` reads byte by byte, so what is behind the line that it has read stays in the pipe.
        let mut programs = programs("for i in 1 2 3 4 5 6; do read -r x || exit; echo $x; done");
        let mut expected = 0;
        for round in 0..20 {
            let mut ahead = expected;
            while ahead < expected + 7 && programs.begin("op", ahead.to_string().as_bytes()) {
                ahead += 1;
            }
            for n in expected..ahead.max(expected + 1) {
                assert_eq!(text(&mut programs, &n.to_string()), Ok(n.to_string()), "round {round}");
            }
            expected = ahead.max(expected + 1);
        }
        assert!(programs.crashed().is_none());
    }

    #[test]
    fn what_breaks_the_protocol_is_quoted() {
        for (script, expected) in [
            ("read x; printf '1\\n2\\n'; sleep 100", "a reply without a request: \"2\\n\""),
            ("read x; printf half", "cut off by the end of the output: \"half\""),
            ("read x; exec >&-; sleep 100", "it closed its standard output"),
            ("read x; yes | tr -d '\\n'", "a reply is longer than 1048576 bytes"),
            ("echo ready; cat", "output before the first request was read: \"ready\\n\""),
        ] {
            let mut programs = programs(script);
            let error = text(&mut programs, "1").unwrap_err();
            assert!(error.starts_with("protocol: sh: ") && error.contains(expected), "{script}: {error}");
            assert!(programs.crashed().is_none());
        }
    }

    #[test]
    fn a_program_that_does_not_start_in_time_is_killed() {
        let mut definition = definition("sleep 100");
        definition.start_timeout = Duration::from_millis(50);
        let mut programs = Programs::new(vec![definition]);
        assert!(text(&mut programs, "1").is_err());
        let crash = programs.crashed().unwrap();
        assert_eq!(crash.death.cause, DeathCause::Signalled(9));
        assert!(crash.message.contains("--start-timeout"), "{}", crash.message);
    }

    #[test]
    fn replies_may_come_from_another_descriptor() {
        let mut definition = definition("while read -r x; do echo noise; echo $x >&7; done");
        definition.reply_fd = 7;
        let mut programs = Programs::new(vec![definition]);
        assert_eq!(text(&mut programs, "a").unwrap(), "a");
        assert_eq!(text(&mut programs, "b").unwrap(), "b");
    }

    #[test]
    fn json_results_errors_and_everything_else() {
        let mut definition = definition("while read -r x; do echo \"$x\"; done");
        definition.protocol = Protocol::Json;
        let mut programs = Programs::new(vec![definition]);
        let mut run = |request: &str| programs.run("op", request.as_bytes());
        assert_eq!(run(r#"{"result": 1}"#), Ok(Value::Json(b"1".to_vec().into())));
        assert_eq!(run(r#"{"error":"no"}"#), Err(BuiltinError::Program { message: "no".into() }));
        assert!(run("17").unwrap_err().to_string().contains("a reply that is no"));
        assert_eq!(run(r#"{"result": []}"#), Ok(Value::Json(b"[]".to_vec().into())), "it is started again");
    }

    #[test]
    fn an_op_that_is_not_defined_is_named() {
        let error = programs(SQUARE).run("other", b"1").unwrap_err();
        assert_eq!(error, BuiltinError::OpNotDefined { op: "other".into() });
    }

    #[test]
    fn empty_requests_are_requests() {
        let mut programs = programs("while read -r x; do echo \"<$x>\"; done");
        let replies: Vec<String> =
            ["", "", "a", ""].map(|request| text(&mut programs, request).unwrap()).to_vec();
        assert_eq!(replies, ["<>", "<>", "<a>", "<>"]);
    }
}
