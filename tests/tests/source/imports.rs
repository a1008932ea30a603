//! Imports between the modules of a crate.
//!
//! A module is a file. It imports another one if one of its paths names an item that is defined there; a
//! name that is only re-exported on the way (`pub use`) counts for the file that defines it. Tests are left
//! out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, File, Item, ItemMod, ItemUse, UseTree,
    visit::{self, Visit},
};

use crate::{assert_none, root};

/// Path of a module within its crate; the root's is empty.
type ModulePath = Vec<String>;

struct Module {
    file: PathBuf,
    items: File,
}

/// All modules of a crate that have files.
struct Crate {
    modules: BTreeMap<ModulePath, Module>,
    /// What the `use` items of a module bring into its scope: local name to full path.
    uses: BTreeMap<ModulePath, BTreeMap<String, Vec<String>>>,
}

impl Crate {
    fn read(entry: &Path) -> Crate {
        let mut modules = BTreeMap::new();
        add_module(Vec::new(), entry, &mut modules);
        let mut all = Crate { modules, uses: BTreeMap::new() };
        let paths: Vec<ModulePath> = all.modules.keys().cloned().collect();
        for path in paths {
            let uses = uses_of(&all.modules[&path].items.items);
            let uses = uses.into_iter().map(|(name, target)| (name, all.absolute(&path, &target))).collect();
            all.uses.insert(path, uses);
        }
        all
    }

    /// The path from the root of the crate, or of another crate: then it names no module here.
    fn absolute(&self, module: &ModulePath, path: &[String]) -> Vec<String> {
        match path.first().map(String::as_str) {
            Some("crate") => path[1..].to_vec(),
            Some("self") => [module, &path[1..]].concat(),
            Some("super") => {
                let parent = module[..module.len().saturating_sub(1)].to_vec();
                match path.get(1).map(String::as_str) {
                    Some("super") => self.absolute(&parent, &path[1..]),
                    _ => [&parent, &path[1..]].concat(),
                }
            }
            Some(first) if self.modules.contains_key(&[module, &[first.to_owned()][..]].concat()) => {
                [module, path].concat()
            }
            _ => vec!["::".to_owned()],
        }
    }

    /// The module that defines what the path names; `None` if that is in another crate.
    fn definer(&self, path: &[String], depth: usize) -> Option<ModulePath> {
        let length = (0..=path.len()).rev().find(|&length| self.modules.contains_key(&path[..length]))?;
        let (module, rest) = path.split_at(length);
        let module = module.to_vec();
        if module.is_empty() && rest.first().is_some_and(|first| first == "::") {
            return None;
        }
        let reexport = rest.first().and_then(|name| self.uses[&module].get(name));
        match reexport {
            Some(target) if depth < 10 => self.definer(&[target, &rest[1..]].concat(), depth + 1),
            _ => Some(module),
        }
    }

    /// Modules that a module imports.
    fn imports(&self, module: &ModulePath) -> BTreeSet<ModulePath> {
        let mut paths = Paths::default();
        paths.visit_file(&self.modules[module].items);
        let named = paths.0.iter().map(|path| match self.uses[module].get(&path[0]) {
            Some(target) => [target, &path[1..]].concat(),
            None => self.absolute(module, path),
        });
        let definers = named.filter_map(|path| self.definer(&path, 0));
        definers.filter(|definer| definer != module).collect()
    }

    /// Groups of modules that import each other, as lists of files.
    fn cycles(&self) -> Vec<Vec<String>> {
        let imports: BTreeMap<_, _> =
            self.modules.keys().map(|module| (module, self.imports(module))).collect();
        let reach = |from: &ModulePath| {
            let (mut reached, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = open.pop() {
                for next in &imports[&module] {
                    if reached.insert(next.clone()) {
                        open.push(next.clone());
                    }
                }
            }
            reached
        };
        let reached: BTreeMap<_, _> = self.modules.keys().map(|module| (module, reach(module))).collect();
        let groups: BTreeSet<Vec<&ModulePath>> = self
            .modules
            .keys()
            .filter(|module| reached[module].contains(*module))
            .map(|module| {
                let both =
                    |other: &&ModulePath| reached[module].contains(*other) && reached[other].contains(module);
                self.modules.keys().filter(both).collect()
            })
            .collect();
        let name = |module: &ModulePath| self.modules[module].file.display().to_string();
        groups.into_iter().map(|group| group.into_iter().map(name).collect()).collect()
    }
}

fn add_module(path: ModulePath, file: &Path, modules: &mut BTreeMap<ModulePath, Module>) {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let items = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let owns_folder = path.is_empty() || file.ends_with("mod.rs");
    let folder = if owns_folder { file.parent().unwrap().to_owned() } else { file.with_extension("") };
    for item in &items.items {
        if let Item::Mod(ItemMod { ident, content: None, attrs, .. }) = item
            && !is_test(attrs)
        {
            let [flat, nested] =
                [format!("{ident}.rs"), format!("{ident}/mod.rs")].map(|file| folder.join(file));
            let child = if root().join(&flat).exists() { flat } else { nested };
            add_module([&path[..], &[ident.to_string()]].concat(), &child, modules);
        }
    }
    modules.insert(path, Module { file: file.to_owned(), items });
}

/// Whether an item is compiled only for tests.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// Names that the `use` items bring into scope, with their paths as written.
fn uses_of(items: &[Item]) -> BTreeMap<String, Vec<String>> {
    let mut uses = BTreeMap::new();
    for item in items {
        if let Item::Use(item) = item
            && !is_test(&item.attrs)
        {
            add_uses(&item.tree, Vec::new(), &mut uses);
        }
    }
    uses
}

fn add_uses(tree: &UseTree, mut prefix: Vec<String>, uses: &mut BTreeMap<String, Vec<String>>) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            add_uses(&path.tree, prefix, uses);
        }
        UseTree::Name(name) if name.ident == "self" => {
            uses.insert(prefix.last().unwrap().clone(), prefix);
        }
        UseTree::Name(name) => {
            prefix.push(name.ident.to_string());
            uses.insert(name.ident.to_string(), prefix);
        }
        UseTree::Rename(rename) => {
            prefix.push(rename.ident.to_string());
            uses.insert(rename.rename.to_string(), prefix);
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| add_uses(tree, prefix.clone(), uses)),
        UseTree::Glob(_) => {}
    }
}

/// All paths of a file that may name items, as written.
#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        // A re-export is no import: the file only hands the name on.
        if matches!(item.vis, syn::Visibility::Inherited) {
            let mut uses = BTreeMap::new();
            add_uses(&item.tree, Vec::new(), &mut uses);
            self.0.extend(uses.into_values());
        }
    }

    /// Paths in `pub(in PATH)` import nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

/// Entry files of all programs and libraries of the workspace.
fn entries() -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = crate::rust_files();
    entries.retain(|file| file.ends_with("src/lib.rs") || file.ends_with("src/main.rs"));
    entries
}

#[test]
fn no_module_imports_itself_by_way_of_others() {
    let cycles = entries().iter().flat_map(|entry| Crate::read(entry).cycles()).collect::<Vec<_>>();
    let complaints: Vec<String> = cycles.iter().map(|files| files.join(", ")).collect();
    assert_none("modules that import each other", &complaints);
}
