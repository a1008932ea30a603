//! Tests the documentation: commands in `console` blocks print what the pages show, and the targets of
//! relative links exist. Commands in `sh` blocks are not run.
//!
//! A line `$ COMMAND` of a block is run by bash in a fresh directory per page, which all commands of the page
//! share. It continues on the next line after a backslash, or up to the end of a here-document. The lines up
//! to the next command are its output, standard error included. A line `...` matches any lines, `[..]`
//! matches any text within a line, and `[exit: N]` as the last line is the exit code if that is not 0.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use end_to_end::{Call, program, runner};

/// Folders without pages of the project. Files in folders called `doc` are parts of the documentation of the
/// API, whose links rustdoc checks.
const NOT_OURS: [&str; 4] = [".git", "target", "shared", "doc"];

#[test]
fn commands_print_what_the_pages_show() {
    let pages = markdown_files().into_iter().filter(|page| is_run(page));
    let complaints: Vec<String> = pages.flat_map(|page| check_commands(&page)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn links_lead_to_files_and_headings() {
    let pages = markdown_files();
    let complaints: Vec<String> = pages.iter().flat_map(|page| check_links(page)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn all_options_are_in_the_table() {
    let page = fs::read_to_string(root().join("docs/src/options.md")).unwrap();
    let commands =
        ["", "each", "factor", "gcd", "bench", "advise", "node", "cluster status", "cluster clean"];
    let options = commands.iter().flat_map(|command| options_of(command));
    let missing: BTreeSet<String> = options.filter(|option| !page.contains(&format!("`{option}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn outputs_are_compared_with_wildcards() {
    let matches = |pattern: &str, output: &str| {
        let (pattern, output): (Vec<_>, Vec<_>) = (pattern.lines().collect(), output.lines().collect());
        lines_match(&pattern, &output)
    };
    assert!(matches("a\nb", "a\nb"));
    assert!(!matches("a", "a\nb"));
    assert!(!matches("a\nb", "a"));
    assert!(matches("a\n...\nd", "a\nb\nc\nd"));
    assert!(matches("a\n...\nd", "a\nd"));
    assert!(!matches("a\n...\nd", "a\nb"));
    assert!(matches("took [..] s, [..] jobs", "took 0.1 s, 7 jobs"));
    assert!(!matches("took [..] s", "took 0.1 s or so"));
    assert!(!matches("a[..]a", "a"));
}

#[test]
fn headings_become_anchors_as_on_github() {
    let page = "# A `b`: C's\n## Twice\n```sh\n# no heading\n```\n## Twice\n## [x_y](z.md) -- 1.2";
    let expected = ["a-b-cs", "twice", "twice-1", "x_y----12"].map(str::to_owned);
    assert_eq!(anchors(page), HashSet::from(expected));
}

/// The long options in the help of a subcommand.
fn options_of(command: &str) -> Vec<String> {
    let output = runner(command.split_whitespace().chain(["--help"])).run();
    let words = output.text().split(|c: char| !c.is_ascii_alphanumeric() && c != '-').map(str::to_owned);
    let is_option =
        |word: &String| word.starts_with("--") && !["--", "--help", "--version"].contains(&word.as_str());
    words.filter(is_option).collect()
}

/// The root of the repository.
fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

/// All Markdown files of the repository, relative to its root, in order.
fn markdown_files() -> Vec<PathBuf> {
    let root = root();
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let is_ours = !NOT_OURS.iter().any(|name| entry.file_name() == *name);
            match entry.file_type().unwrap() {
                kind if kind.is_dir() && is_ours => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path().strip_prefix(&root).unwrap().to_owned()),
                _ => {}
            }
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files
}

/// Returns whether the commands of this page are run.
fn is_run(page: &Path) -> bool {
    page == Path::new("README.md") || page.starts_with("docs/src")
}

/// A command of a page and the lines that follow it.
struct Command {
    line: usize,
    text: String,
    expected: Vec<String>,
}

impl Command {
    /// Returns whether the next line belongs to the command: after a backslash, or in a here-document up to
    /// `END`.
    fn is_open(&self) -> bool {
        let is_document = self.text.contains("<<'END'") && !self.text.ends_with("\nEND");
        is_document || self.text.ends_with('\\')
    }
}

/// The commands of all `console` blocks of a page.
fn commands(page: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut is_inside = false;
    for (line, text) in (1..).zip(page.lines()) {
        match (is_inside, text.strip_prefix("```")) {
            (false, fence) => is_inside = fence == Some("console"),
            (true, Some(_)) => is_inside = false,
            (true, None) => read_line(&mut commands, line, text),
        }
    }
    commands
}

/// Adds a line of a `console` block: a command, the rest of one, or output of the last one.
fn read_line(commands: &mut Vec<Command>, line: usize, text: &str) {
    if let Some(command) = text.strip_prefix("$ ") {
        commands.push(Command { line, text: command.to_owned(), expected: Vec::new() });
        return;
    }
    let last = commands.last_mut().expect("a block starts with a command");
    match last.is_open() {
        true => last.text = format!("{}\n{text}", last.text),
        false => last.expected.push(text.to_owned()),
    }
}

/// Runs the commands of a page; returns a complaint for each whose output differs from the page.
fn check_commands(page: &Path) -> Vec<String> {
    let commands = commands(&fs::read_to_string(root().join(page)).unwrap());
    if commands.is_empty() {
        return Vec::new();
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tests")).unwrap();
    symlink(root().join("tests/data"), folder.path().join("tests/data")).unwrap();
    // The folder that is searched first is not the one in which the commands run and the pages list files.
    let programs = tempfile::tempdir().unwrap();
    symlink(program("runner"), programs.path().join("runner")).unwrap();
    commands.iter().filter_map(|command| check(page, command, folder.path(), programs.path())).collect()
}

/// Runs a command; returns a complaint if its output differs from the page.
fn check(page: &Path, command: &Command, folder: &Path, programs: &Path) -> Option<String> {
    let (expected, code) = split_exit(&command.expected);
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let script = format!("exec 2>&1\n{}", command.text);
    let call = Call::new(Path::new("bash"), ["-c", &script]);
    let variables = ["WORKERS", "EXECUTOR", "TRANSPORT", "PROGRESS"].map(|name| format!("RUNNER_{name}"));
    let call = call.with(|bash| variables.iter().fold(bash, |bash, variable| bash.env_remove(variable)));
    let call = call.with(|bash| bash.current_dir(folder).env("PATH", path));
    let output = call.run();
    let lines: Vec<&str> = output.text().lines().collect();
    if lines_match(&expected, &lines) && output.code() == code {
        return None;
    }
    let place = format!("{}:{}", page.display(), command.line);
    let shown = expected.join("\n");
    let printed = lines.join("\n");
    Some(format!(
        "{place}: $ {}\nshown, exit {code}:\n{shown}\nprinted, exit {}:\n{printed}\n",
        command.text,
        output.code()
    ))
}

/// The expected lines, and the exit code from a last line `[exit: N]`.
fn split_exit(lines: &[String]) -> (Vec<&str>, i32) {
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let code = lines.last().and_then(|line| line.strip_prefix("[exit: ")?.strip_suffix(']')?.parse().ok());
    if code.is_some() {
        lines.pop();
    }
    (lines, code.unwrap_or(0))
}

/// Compares lines with a pattern in which `...` stands for any number of them.
fn lines_match(pattern: &[&str], lines: &[&str]) -> bool {
    match (pattern, lines) {
        ([], rest) => rest.is_empty(),
        (["...", pattern @ ..], lines) => {
            (0..=lines.len()).any(|skipped| lines_match(pattern, &lines[skipped..]))
        }
        ([first, pattern @ ..], [line, lines @ ..]) => {
            line_matches(first, line) && lines_match(pattern, lines)
        }
        (_, []) => false,
    }
}

/// Compares a line with a pattern in which `[..]` stands for any text.
fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((start, rest)) = pattern.split_once("[..]") else {
        return pattern == line;
    };
    let Some(line) = line.strip_prefix(start) else {
        return false;
    };
    line.char_indices().map(|(at, _)| at).chain([line.len()]).any(|at| line_matches(rest, &line[at..]))
}

/// Returns a complaint for each relative link of a page whose target does not exist.
fn check_links(page: &Path) -> Vec<String> {
    let root = root();
    let text = fs::read_to_string(root.join(page)).unwrap();
    let folder = page.parent().unwrap();
    let is_relative = |target: &&str| !target.contains("://") && !target.starts_with("mailto:");
    let targets = links(&text);
    let complaint = |target: &str| {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if file.is_empty() { root.join(page) } else { root.join(folder).join(file) };
        let has_anchor = || anchors(&fs::read_to_string(&path).unwrap()).contains(anchor);
        let problem = match path.exists() {
            false => "no such file",
            true if !anchor.is_empty() && !has_anchor() => "no such heading",
            true => return None,
        };
        Some(format!("{}: {target}: {problem}", page.display()))
    };
    targets.into_iter().filter(is_relative).filter_map(complaint).collect()
}

/// The targets of the links of a page, `[text](target)`.
fn links(page: &str) -> Vec<&str> {
    let prose = prose_lines(page);
    let parts = prose.into_iter().flat_map(|line| line.split("](").skip(1));
    parts.filter_map(|part| part.split_once(')')).map(|(target, _)| target).collect()
}

/// The anchors of a page's headings, by GitHub's rules.
fn anchors(page: &str) -> HashSet<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let headings = prose_lines(page).into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let slug = slug(heading.trim_start_matches('#').trim());
        let count = counts.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    };
    headings.map(anchor).collect()
}

/// A heading in lower case, without punctuation and the targets of links, with hyphens for spaces.
fn slug(heading: &str) -> String {
    let mut text = heading.to_lowercase();
    while let Some((before, rest)) = text.split_once("](") {
        text = format!("{before}{}", rest.split_once(')').map_or("", |(_, after)| after));
    }
    let is_kept = |c: &char| c.is_alphanumeric() || ['-', '_', ' '].contains(c);
    text.chars().filter(is_kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The lines of a page that are not in blocks of code.
fn prose_lines(page: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut is_prose = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    };
    page.lines().filter(|line| is_prose(line)).collect()
}
