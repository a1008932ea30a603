//! Plain language: no words of a private dialect in code, comments, messages or pages.

use std::path::Path;

use crate::{assert_none, files, read};

/// Words for persons, and what only persons do. Threads, processes and buffers are none.
const WORDS: &[&str] = &[
    "whoever",
    "whomever",
    "whom",
    "somebody",
    "someone",
    "nobody",
    "anybody",
    "everybody",
    "told",
    "tell",
    "tells",
    "hear",
    "hears",
    "heard",
    "bury",
    "buries",
    "buried",
    "burial",
    "hungry",
    "hunger",
    "starve",
    "starves",
    "starved",
    "starving",
    "farewell",
    "doom",
    "doomed",
];

/// Phrases in place of a number or a name.
const PHRASES: &[&str] = &["so many", "so long", "so much", "last words", "as it should"];

/// Where a word is used all the same: file, word, reason.
const ALLOWED: &[(&str, &str, &str)] = &[("CHANGELOG.md", "hungry", "the former name of a method")];

/// Folders and files that are not checked: this list, and texts that others have written.
const UNCHECKED: &[&str] = &[
    "tests/tests/source/language.rs",
    "tests/data",
    "tests/fuzz/seeds",
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
];

fn is_checked(file: &Path) -> bool {
    let kinds = ["rs", "md", "toml", "sh", "py", "tsv", "yml"];
    let is_text = file.extension().is_none_or(|kind| kinds.iter().any(|one| kind == *one));
    is_text && !UNCHECKED.iter().any(|unchecked| file.starts_with(unchecked))
}

/// The words of a line in lower case; those of `snake_case` and `CamelCase` names are apart.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for letter in line.chars() {
        if !letter.is_ascii_alphabetic() || (letter.is_ascii_uppercase() && after_lower) {
            words.push(String::new());
        }
        if letter.is_ascii_alphabetic() {
            words.last_mut().unwrap().push(letter.to_ascii_lowercase());
        }
        after_lower = letter.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What is wrong with a line.
fn dialect(line: &str) -> Vec<&'static str> {
    let words = words(line);
    let text = format!(" {} ", words.join(" "));
    let phrases = PHRASES.iter().filter(|phrase| text.contains(&format!(" {phrase} ")));
    WORDS.iter().filter(|word| words.iter().any(|other| other == *word)).chain(phrases).copied().collect()
}

#[test]
fn there_is_no_dialect() {
    let mut complaints = Vec::new();
    let mut used = vec![false; ALLOWED.len()];
    for file in files().iter().filter(|file| is_checked(file)) {
        for (index, line) in read(file).lines().enumerate() {
            for word in dialect(line) {
                match ALLOWED
                    .iter()
                    .position(|&(place, allowed, _)| file.starts_with(place) && allowed == word)
                {
                    Some(place) => used[place] = true,
                    None => complaints.push(format!("{}:{}: {word}", file.display(), index + 1)),
                }
            }
        }
    }
    let unused = ALLOWED.iter().zip(used).filter(|(_, used)| !used);
    complaints.extend(unused.map(|((place, word, _), _)| format!("{place}: {word} is allowed and not used")));
    assert_none("words of a dialect (see docs/src/glossary.md)", &complaints);
}

#[test]
fn names_are_split_into_words() {
    assert_eq!(words("fn tellMe(so_long: HTTPServer)"), ["fn", "tell", "me", "so", "long", "httpserver"]);
    assert_eq!(dialect("// so  long, whoever"), ["whoever", "so long"]);
}
