//! Counts the instructions of deterministic programs and compares them with a committed baseline;
//! `scripts/count-instructions` builds everything and runs this program. Unlike times, instruction counts do
//! not depend on the load of the machine.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BASELINE: &str = "peers/instructions.json";

/// Increase that counts as a regression; the difference between runs is below 0.01 %.
const TOLERANCE_PERCENT: f64 = 5.0;

/// Name, executable and arguments of each program; `JOBS` stands for a file of jobs. All have one thread:
/// waiting of several threads for each other varies by 7 % of a whole run.
const PROGRAMS: [(&str, &str, &[&str]); 6] = [
    ("wire", "counted", &["wire"]),
    ("sched", "counted", &["sched"]),
    ("sched-deaths", "counted", &["sched-deaths"]),
    ("pool-map", "counted", &["pool-map"]),
    ("pool-submit", "counted", &["pool-submit"]),
    ("cli-dry-run", "runner", &["--dry-run", "--quiet", "JOBS"]),
];

/// Counts of instructions, and the tool that counted them: only counts of the same tool can be compared.
#[derive(Serialize, Deserialize)]
struct Counts {
    tool: Tool,
    rustc: String,
    counts: BTreeMap<String, u64>,
}

/// A tool that counts instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tool {
    Callgrind,
    Perf,
}

fn main() -> ExitCode {
    let update = env::args().nth(1).is_some_and(|argument| argument == "--update");
    match Tool::find().map(|tool| compare_or_update(tool, update)) {
        None => {
            eprintln!("NOT COUNTED: neither valgrind nor a perf that can count instructions is available");
            ExitCode::SUCCESS
        }
        Some(Ok(true)) => ExitCode::SUCCESS,
        Some(Ok(false)) => ExitCode::FAILURE,
        Some(Err(error)) => {
            eprintln!("instructions: {error}");
            ExitCode::from(2)
        }
    }
}

/// Returns false if a program takes more instructions than before.
fn compare_or_update(tool: Tool, update: bool) -> Result<bool> {
    let now = Counts { tool, rustc: rustc(), counts: count_all(tool)? };
    if update {
        fs::write(BASELINE, serde_json::to_string_pretty(&now)? + "\n")?;
        now.counts.iter().for_each(|(name, count)| println!("{name:<14} {count:>12}"));
        println!("wrote {BASELINE}");
        return Ok(true);
    }
    let before: Counts = serde_json::from_slice(&fs::read(BASELINE)?)?;
    println!("counted by {tool:?}");
    if before.tool != tool {
        println!("the baseline was counted by {:?} and cannot be compared", before.tool);
        return Ok(true);
    }
    if before.rustc != now.rustc {
        println!("the baseline was built by {}, this by {}: counts may differ", before.rustc, now.rustc);
    }
    // All programs are shown, even after a regression.
    let more = now.counts.iter().filter(|(name, count)| !compare(name, **count, before.counts.get(*name)));
    Ok(more.count() == 0)
}

/// Prints one program; returns false if it takes more instructions than before.
fn compare(name: &str, count: u64, before: Option<&u64>) -> bool {
    let Some(&before) = before else {
        println!("{name:<14} {count:>12}   new: run `scripts/count-instructions --update` and commit");
        return true;
    };
    let percent = 100.0 * (count as f64 / before as f64 - 1.0);
    let verdict = if percent > TOLERANCE_PERCENT {
        "MORE"
    } else if percent < -TOLERANCE_PERCENT {
        "fewer: run `scripts/count-instructions --update` and commit"
    } else {
        "as before"
    };
    println!("{name:<14} {count:>12} {percent:>+7.1} %   {verdict}");
    percent <= TOLERANCE_PERCENT
}

fn count_all(tool: Tool) -> Result<BTreeMap<String, u64>> {
    let folder = env::current_exe()?.parent().unwrap_or(Path::new("")).to_owned();
    let jobs = job_file(&folder)?;
    let count = |&(name, program, arguments): &(&str, &str, &[&str])| {
        let path = |argument: &&str| match *argument {
            "JOBS" => jobs.clone(),
            other => PathBuf::from(other),
        };
        let arguments: Vec<PathBuf> = arguments.iter().map(path).collect();
        let count =
            tool.count(&folder.join(program), &arguments).map_err(|error| format!("{name}: {error}"))?;
        Ok((name.to_owned(), count))
    };
    PROGRAMS.iter().map(count).collect()
}

/// Writes a file of ten thousand jobs, the same on each machine.
fn job_file(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("instructions.jsonl");
    let lines = (0..10_000u64).fold(String::new(), |mut lines, place| {
        let (a, b) = (place * 7_919 % 4_194_301, place * 104_729 % 4_194_301);
        // Writing to a string does not fail.
        let _ = writeln!(lines, r#"{{"op":"gcd","a":{a},"b":{b}}}"#);
        lines
    });
    fs::write(&path, lines)?;
    Ok(path)
}

impl Tool {
    /// Returns the first available tool. Callgrind is preferred, since its counts do not depend on the
    /// processor.
    fn find() -> Option<Tool> {
        let works = |tool: &Tool| tool.count(Path::new("/bin/true"), &[]).is_ok();
        [Tool::Callgrind, Tool::Perf].into_iter().find(works)
    }

    /// Counts the instructions of all threads of a program in user space.
    fn count(self, program: &Path, arguments: &[PathBuf]) -> Result<u64> {
        let mut command = match self {
            Tool::Callgrind => {
                let mut command = Command::new("valgrind");
                command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
                command
            }
            Tool::Perf => {
                let mut command = Command::new("perf");
                command.args(["stat", "-x,", "-e", "instructions:u"]);
                command
            }
        };
        // Reading the environment would also be counted.
        let path = env::var_os("PATH").unwrap_or_default();
        command.arg(program).args(arguments).env_clear().env("PATH", path).env("LC_ALL", "C");
        let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
        let report = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("{} ended with {}: {report}", program.display(), output.status).into());
        }
        self.read(&report).ok_or_else(|| format!("no count in: {report}").into())
    }

    /// Parses `==1== Collected : 127085` or `127085,,instructions:u,...`.
    fn read(self, report: &str) -> Option<u64> {
        let find = |line: &str| match self {
            Tool::Callgrind => line.split_once("Collected : ")?.1.trim().parse().ok(),
            Tool::Perf => line.split_once(",,instructions:u")?.0.parse().ok(),
        };
        report.lines().find_map(find)
    }
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "an unknown compiler".to_owned())
}
