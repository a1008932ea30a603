//! Examples in the documentation of items that `pool` re-exports from internal crates: users of `pool` do not
//! have those crates.

use std::{collections::BTreeSet, path::Path};

use syn::{
    Attribute, Expr, File, Ident, Item, ItemImpl, ItemUse, Lit, Meta, Type, UseTree,
    visit::{self, Visit},
};

use crate::{assert_none, files, read};

/// The crates that `pool` re-exports items from.
const INTERNAL: [&str; 6] = ["job", "portable", "sched", "serve", "sys", "wire"];

fn parsed(folder: &str) -> Vec<(String, File)> {
    let in_folder = files().into_iter().filter(|file| file.starts_with(folder));
    let sources = in_folder.filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    let parse = |file: &Path| syn::parse_file(&read(file)).unwrap();
    sources.map(|file| (file.display().to_string(), parse(&file))).collect()
}

/// Names of the items that `pool` re-exports from internal crates.
#[derive(Default)]
struct ReExports(BTreeSet<String>);

impl ReExports {
    fn add(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.add(&path.tree),
            UseTree::Name(name) => self.add_name(&name.ident),
            UseTree::Rename(rename) => self.add_name(&rename.ident),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add(tree)),
            UseTree::Glob(_) => panic!("a re-export of everything hides which items have to be documented"),
        }
    }

    fn add_name(&mut self, name: &Ident) {
        self.0.insert(name.to_string());
    }
}

impl Visit<'_> for ReExports {
    fn visit_item_use(&mut self, item: &ItemUse) {
        let is_internal = |path: &Ident| INTERNAL.iter().any(|name| path == name);
        match &item.tree {
            UseTree::Path(path) if is_internal(&path.ident) && is_public(item) => self.add(&path.tree),
            _ => {}
        }
    }
}

fn is_public(item: &ItemUse) -> bool {
    matches!(item.vis, syn::Visibility::Public(_))
}

/// Name of the item whose documentation this item is part of.
fn subject(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Struct(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Const(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Impl(ItemImpl { self_ty, .. }) => match &**self_ty {
            Type::Path(path) => &path.path.segments.last()?.ident,
            _ => return None,
        },
        _ => return None,
    };
    Some(ident.to_string())
}

/// The lines of documentation of an item and of its parts.
#[derive(Default)]
struct DocLines(Vec<String>);

impl Visit<'_> for DocLines {
    fn visit_attribute(&mut self, attribute: &Attribute) {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(literal) = &pair.value
            && let Lit::Str(text) = &literal.lit
        {
            self.0.extend(text.value().lines().map(|line| line.trim().to_owned()));
        }
        visit::visit_attribute(self, attribute);
    }
}

impl DocLines {
    /// Visible lines of examples that name an internal crate.
    fn internal_paths(&self) -> impl Iterator<Item = &String> {
        let mut is_code = false;
        let code = self.0.iter().filter(move |line| {
            if line.starts_with("```") {
                is_code = !is_code;
            }
            is_code && *line != "#" && !line.starts_with("# ")
        });
        code.filter(|line| INTERNAL.iter().any(|name| names_crate(line, name)))
    }
}

/// Returns whether a line contains the name of a crate as the start of a path.
fn names_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    line.match_indices(&path).any(|(at, _)| !line[..at].ends_with(is_part))
}

#[test]
fn examples_of_re_exported_items_name_pool() {
    let mut re_exports = ReExports::default();
    parsed("crates/pool/src").iter().for_each(|(_, file)| re_exports.visit_file(file));
    assert!(re_exports.0.contains("JobId") && re_exports.0.contains("CodecKind"), "{:?}", re_exports.0);
    let mut complaints = Vec::new();
    for folder in INTERNAL.map(|name| format!("crates/{name}/src")) {
        for (path, file) in parsed(&folder) {
            for item in &file.items {
                let Some(name) = subject(item).filter(|name| re_exports.0.contains(name)) else { continue };
                let mut docs = DocLines::default();
                docs.visit_item(item);
                complaints.extend(docs.internal_paths().map(|line| format!("{path}: {name}: {line}")));
            }
        }
    }
    assert_none("examples that import internal crates", &complaints);
}

#[test]
fn paths_of_crates_are_recognized() {
    assert!(names_crate("use job::Job;", "job") && names_crate("let x = wire::Y;", "wire"));
    assert!(!names_crate("use pool::job::X;", "job") && !names_crate("a_job::X", "job"));
}
