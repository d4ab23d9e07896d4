//! The modules of a crate, their items, and how a path leads to an item.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

/// A chain of re-exports is never longer.
const MAX_DEPTH: usize = 16;

pub(super) type ModuleId = usize;

pub(super) struct Module {
    /// The file in which the module stands.
    pub(super) file: String,
    pub(super) content: Vec<Item>,
    parent: Option<ModuleId>,
    children: BTreeMap<String, ModuleId>,
    items: BTreeSet<String>,
    /// What is imported here, by the name that it has here.
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Module(ModuleId),
    Item { module: ModuleId, name: String },
}

/// One name that a `use` brings in.
#[derive(Debug)]
pub(super) struct Import {
    /// `None` for a glob.
    name: Option<String>,
    pub(super) path: Vec<String>,
}

#[derive(Default)]
pub(super) struct Modules {
    all: Vec<Module>,
}

impl Modules {
    /// Reads a crate from its root file on.
    pub(super) fn read(root: &str, texts: &BTreeMap<&str, &str>) -> anyhow::Result<Self> {
        let directory = root.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mut modules = Self::default();
        modules.add_file(root, directory, None, texts)?;
        Ok(modules)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ModuleId, &Module)> {
        self.all.iter().enumerate()
    }

    pub(super) fn file(&self, module: ModuleId) -> &str {
        &self.all[module].file
    }

    fn add_file(
        &mut self,
        file: &str,
        directory: &str,
        parent: Option<ModuleId>,
        texts: &BTreeMap<&str, &str>,
    ) -> anyhow::Result<ModuleId> {
        let text = texts.get(file).with_context(|| format!("finding {file}"))?;
        let content = syn::parse_file(text)
            .with_context(|| format!("parsing {file}"))?
            .items;
        self.add(file, directory, parent, content, texts)
    }

    fn add(
        &mut self,
        file: &str,
        directory: &str,
        parent: Option<ModuleId>,
        content: Vec<Item>,
        texts: &BTreeMap<&str, &str>,
    ) -> anyhow::Result<ModuleId> {
        let id = self.all.len();
        self.all.push(Module {
            file: file.to_owned(),
            content: Vec::new(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
        });
        let mut own = Vec::new();
        for item in content {
            if is_test(attributes(&item)) {
                continue;
            }
            let Item::Mod(module) = item else {
                self.declare(id, &item);
                own.push(item);
                continue;
            };
            let name = name_of(&module.ident);
            let below = format!("{directory}/{name}");
            let child = match module.content {
                Some((_, content)) => self.add(file, &below, Some(id), content, texts)?,
                None => self.add_file(&format!("{below}.rs"), &below, Some(id), texts)?,
            };
            self.all[id].children.insert(name, child);
        }
        self.all[id].content = own;
        Ok(id)
    }

    fn declare(&mut self, module: ModuleId, item: &Item) {
        let module = &mut self.all[module];
        if let Item::Use(import) = item {
            for import in imports(import) {
                match import.name {
                    Some(name) => {
                        module.imports.insert(name, import.path);
                    }
                    None => module.globs.push(import.path),
                }
            }
        } else if let Some(name) = defined_name(item) {
            module.items.insert(name);
        }
    }

    /// Follows a path that stands in a module; `None` where it leads out of the crate.
    pub(super) fn resolve(&self, from: ModuleId, path: &[String]) -> Option<Target> {
        self.resolve_within(from, path, MAX_DEPTH)
    }

    fn resolve_within(&self, from: ModuleId, path: &[String], depth: usize) -> Option<Target> {
        let depth = depth.checked_sub(1)?;
        let mut module = from;
        let mut rest = path;
        while let Some((segment, after)) = rest.split_first() {
            match segment.as_str() {
                "crate" => module = 0,
                "super" => module = self.all[module].parent?,
                "self" => {}
                name => match self.find(module, name, after.is_empty(), depth)? {
                    Target::Module(found) => module = found,
                    item @ Target::Item { .. } => return Some(item),
                },
            }
            rest = after;
        }
        Some(Target::Module(module))
    }

    /// A name as seen in a module. The last name of a path is an item rather than a module where both have it.
    fn find(&self, id: ModuleId, name: &str, is_last: bool, depth: usize) -> Option<Target> {
        let module = &self.all[id];
        let child = module.children.get(name).map(|child| Target::Module(*child));
        if !is_last && child.is_some() {
            return child;
        }
        if module.items.contains(name) {
            return Some(Target::Item {
                module: id,
                name: name.to_owned(),
            });
        }
        let import = module.imports.get(name);
        if let Some(found) = import.and_then(|path| self.resolve_import(id, path, is_last, depth)) {
            return Some(found);
        }
        let in_globs = || {
            module.globs.iter().find_map(|path| {
                match self.resolve_within(id, path, depth)? {
                    // A module that imports all of itself would not end.
                    Target::Module(other) if other != id => {
                        self.find(other, name, is_last, depth.checked_sub(1)?)
                    }
                    Target::Module(_) | Target::Item { .. } => None,
                }
            })
        };
        child.or_else(in_globs)
    }

    fn resolve_import(&self, from: ModuleId, path: &[String], is_last: bool, depth: usize) -> Option<Target> {
        if is_last {
            return self.resolve_within(from, path, depth);
        }
        // A name with more after it is a module where a module and an item share the name.
        let (last, before) = path.split_last()?;
        if let Some(Target::Module(parent)) = self.resolve_within(from, before, depth)
            && let Some(child) = self.all[parent].children.get(last)
            && (!before.is_empty() || parent != from)
        {
            return Some(Target::Module(*child));
        }
        self.resolve_within(from, path, depth)
    }
}

/// Every name that a `use` brings in.
pub(super) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut imports = Vec::new();
    if item.leading_colon.is_none() {
        flatten(&item.tree, &mut Vec::new(), &mut imports);
    }
    imports
}

fn flatten(tree: &UseTree, before: &mut Vec<String>, imports: &mut Vec<Import>) {
    let with = |before: &[String], name: &syn::Ident| {
        let mut path = before.to_vec();
        let name = name_of(name);
        // `use a::{self, b}` means `a` itself.
        if name != "self" || path.is_empty() {
            path.push(name);
        }
        path
    };
    match tree {
        UseTree::Path(path) => {
            before.push(name_of(&path.ident));
            flatten(&path.tree, before, imports);
            before.pop();
        }
        UseTree::Name(name) => {
            let path = with(before, &name.ident);
            imports.push(Import {
                name: path.last().cloned(),
                path,
            });
        }
        UseTree::Rename(rename) => imports.push(Import {
            name: Some(name_of(&rename.rename)),
            path: with(before, &rename.ident),
        }),
        UseTree::Glob(_) => imports.push(Import {
            name: None,
            path: before.clone(),
        }),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before, imports);
            }
        }
    }
}

/// Whether a `use` only passes names on; what this module uses of them itself shows elsewhere.
pub(super) fn is_reexport(item: &ItemUse) -> bool {
    !matches!(item.vis, Visibility::Inherited)
}

/// Whether an item is compiled for tests only.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|condition| condition.is_ident("test"))
    })
}

pub(super) fn name_of(identifier: &syn::Ident) -> String {
    identifier.to_string().trim_start_matches("r#").to_owned()
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::ExternCrate(_)
        | Item::ForeignMod(_)
        | Item::TraitAlias(_)
        | Item::Union(_)
        | Item::Verbatim(_)
        | _ => &[],
    }
}

fn defined_name(item: &Item) -> Option<String> {
    let identifier = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::ExternCrate(_)
        | Item::ForeignMod(_)
        | Item::Impl(_)
        | Item::Mod(_)
        | Item::TraitAlias(_)
        | Item::Use(_)
        | Item::Verbatim(_)
        | _ => return None,
    };
    Some(name_of(identifier))
}
