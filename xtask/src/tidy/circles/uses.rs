//! What each module uses.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemUse, Meta, Path, Visibility};

use super::graph::Graph;
use super::modules::{ModuleId, Modules, Target, imports, is_reexport, is_test, name_of};

pub(super) fn graph(modules: &Modules) -> Graph {
    let mut graph = Graph::default();
    for (id, module) in modules.iter() {
        let mut visitor = Visitor {
            modules,
            module: id,
            graph: &mut graph,
        };
        for item in &module.content {
            visitor.visit_item(item);
        }
    }
    graph
}

struct Visitor<'a> {
    modules: &'a Modules,
    module: ModuleId,
    graph: &'a mut Graph,
}

impl Visitor<'_> {
    fn uses(&mut self, path: &[String], line: usize) {
        // A module alone is a name; what is used of it shows where it is used.
        if let Some(Target::Item { module, name }) = self.modules.resolve(self.module, path) {
            let (file, definer) = (self.modules.file(self.module), self.modules.file(module));
            self.graph.add(file, definer, &name, line);
        }
    }

    /// Paths in the arguments of a macro, whose grammar is not known.
    fn uses_of_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 1;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(identifier) if colons == 2 && !path.is_empty() => {
                    path.push(name_of(&identifier));
                    colons = 0;
                }
                TokenTree::Ident(identifier) => {
                    self.uses(&std::mem::take(&mut path), line);
                    path.push(name_of(&identifier));
                    line = identifier.span().start().line;
                    colons = 0;
                }
                TokenTree::Punct(punctuation) if punctuation.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.uses(&std::mem::take(&mut path), line);
                    colons = 0;
                    self.uses_of_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.uses(&std::mem::take(&mut path), line);
                    colons = 0;
                }
            }
        }
        self.uses(&path, line);
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            let segments: Vec<String> = path
                .segments
                .iter()
                .map(|segment| name_of(&segment.ident))
                .collect();
            self.uses(&segments, path.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_reexport(item) && !is_test(&item.attrs) {
            for import in imports(item) {
                self.uses(&import.path, item.span().start().line);
            }
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        self.uses_of_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.uses_of_tokens(list.tokens.clone());
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    // `pub(in crate::module)` uses nothing of that module.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}
