//! Pages that lead a reader to the code.

use crate::{assert_none, read, root};

/// Paths in back quotes in a line that name Rust files or folders of crates.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|text| text.contains('/') && !text.contains(' '))
}

#[test]
fn paths_in_the_architecture_exist() {
    let page = read("ARCHITECTURE.md".as_ref());
    let mut complaints = Vec::new();
    for (index, line) in page.lines().enumerate() {
        for path in paths(line) {
            let exists =
                [root().join(path), root().join("crates").join(path)].iter().any(|path| path.exists());
            if !exists {
                complaints.push(format!("ARCHITECTURE.md:{}: {path}", index + 1));
            }
        }
    }
    assert_none("paths that do not exist", &complaints);
}
