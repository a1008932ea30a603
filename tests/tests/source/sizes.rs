//! Sizes of lines, functions, files and pages.

use std::{fs, path::Path};

use syn::{
    Block, Ident, ImplItemFn, ItemFn, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{assert_none, files, read, root, rust_files};

const MAX_COLUMNS: usize = 110;
const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 60;

/// Pages that a newcomer reads first, and their largest sizes in bytes.
const PAGES: [(&str, u64); 2] = [("README.md", 8 << 10), ("ARCHITECTURE.md", 10 << 10)];

#[test]
fn lines_are_at_most_110_columns() {
    let is_text = |file: &&std::path::PathBuf| {
        file.starts_with("scripts") || file.extension().is_some_and(|kind| kind == "rs" || kind == "sh")
    };
    let mut complaints = Vec::new();
    for file in files().iter().filter(is_text) {
        let text = read(file);
        let long = text.lines().enumerate().filter(|(_, line)| line.chars().count() > MAX_COLUMNS);
        complaints.extend(long.map(|(index, _)| format!("{}:{}", file.display(), index + 1)));
    }
    assert_none("lines that are too long", &complaints);
}

#[test]
fn files_are_at_most_400_lines() {
    let lines = |file: &Path| read(file).lines().count();
    let long = rust_files().into_iter().filter(|file| lines(file) > MAX_FILE_LINES);
    let complaints: Vec<String> = long.map(|file| format!("{}: {}", file.display(), lines(&file))).collect();
    assert_none("files that are too long", &complaints);
}

/// Name, first line and number of lines of each function.
#[derive(Default)]
struct Functions(Vec<(String, usize, usize)>);

impl Functions {
    fn add(&mut self, name: &Ident, body: &Block) {
        let (start, end) = (body.span().start().line, body.span().end().line);
        self.0.push((name.to_string(), start, end + 1 - start));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.add(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.add(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn functions_are_at_most_60_lines() {
    let mut complaints = Vec::new();
    for file in rust_files() {
        let mut functions = Functions::default();
        functions.visit_file(&syn::parse_file(&read(&file)).unwrap());
        let long = functions.0.into_iter().filter(|(_, _, lines)| *lines > MAX_FUNCTION_LINES);
        complaints
            .extend(long.map(|(name, line, lines)| format!("{}:{line} {name}: {lines}", file.display())));
    }
    assert_none("functions that are too long", &complaints);
}

#[test]
fn the_first_pages_are_short() {
    let size = |page: &str| fs::metadata(root().join(page)).unwrap().len();
    let long = PAGES.iter().filter(|(page, most)| size(page) > *most);
    let complaints: Vec<String> =
        long.map(|(page, most)| format!("{page}: {} of {most} bytes", size(page))).collect();
    assert_none("pages that are too long", &complaints);
}
