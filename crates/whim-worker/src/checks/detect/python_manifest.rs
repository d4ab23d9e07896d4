//! What `pyproject.toml` says about the packages that the tests need.

use std::collections::HashSet;

use toml::{Table, Value};

/// Names of extras and dependency groups that tests need.
const TEST_GROUPS: [&str; 5] = ["dev", "test", "testing", "tests", "unit"];

/// The relevant parts of `pyproject.toml`. An unreadable file is an empty one.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    table: Table,
}

impl Manifest {
    pub(super) fn parse(text: &str) -> Self {
        Self {
            table: text.parse().unwrap_or_default(),
        }
    }

    /// Whether there is a value at this path of keys.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.at(path).is_some()
    }

    fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let first = self.table.get(*first)?;
        rest.iter().try_fold(first, |value, key| value.get(key))
    }

    /// Whether pip can install the project.
    pub(super) fn is_package(&self) -> bool {
        self.has(&["project"]) || self.has(&["build-system"])
    }

    /// Whether `dependencies` lists what the project needs. Otherwise only its build backend knows.
    pub(super) fn has_static_dependencies(&self) -> bool {
        let dynamic = strings(self.at(&["project", "dynamic"]));
        self.has(&["project"]) && !dynamic.iter().any(|field| field == "dependencies")
    }

    pub(super) fn dependencies(&self) -> Vec<String> {
        strings(self.at(&["project", "dependencies"]))
    }

    /// Names of the extras that tests need.
    pub(super) fn test_extras(&self) -> Vec<&'static str> {
        self.test_groups(&["project", "optional-dependencies"])
    }

    /// Names of the dependency groups (PEP 735) that tests need.
    pub(super) fn test_dependency_groups(&self) -> Vec<&'static str> {
        self.test_groups(&["dependency-groups"])
    }

    fn test_groups(&self, path: &[&str]) -> Vec<&'static str> {
        let table = self.at(path).and_then(Value::as_table);
        let exists = |name: &&str| table.is_some_and(|table| table.contains_key(*name));
        TEST_GROUPS.into_iter().filter(exists).collect()
    }

    /// The requirements of extras and groups that tests need, with those that they include.
    pub(super) fn test_requirements(&self) -> Vec<String> {
        let extras = self.test_extras();
        let mut requirements: Vec<String> = extras
            .iter()
            .flat_map(|name| strings(self.at(&["project", "optional-dependencies", name])))
            .collect();
        let mut seen = HashSet::new();
        for group in self.test_dependency_groups() {
            self.add_group(group, &mut seen, &mut requirements);
        }
        // What pip would take for an option.
        requirements.retain(|requirement| !requirement.trim_start().starts_with('-'));
        requirements
    }

    fn add_group<'s>(&'s self, name: &'s str, seen: &mut HashSet<&'s str>, requirements: &mut Vec<String>) {
        if !seen.insert(name) {
            return;
        }
        let group = self.at(&["dependency-groups", name]).and_then(Value::as_array);
        for entry in group.into_iter().flatten() {
            match entry.get("include-group").and_then(Value::as_str) {
                Some(included) => self.add_group(included, seen, requirements),
                None => requirements.extend(entry.as_str().map(str::to_owned)),
            }
        }
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let texts = value.and_then(Value::as_array).into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requirements_of_tests_are_those_of_their_extras_and_groups() {
        let manifest = Manifest::parse(
            r#"
            [project]
            name = "shop"
            dependencies = ["requests>=2"]
            [project.optional-dependencies]
            test = ["pytest-cov"]
            docs = ["sphinx"]
            [dependency-groups]
            tests = ["hypothesis", {include-group = "common"}, "--index-url=x"]
            common = ["attrs", {include-group = "tests"}]
            lint = ["ruff"]
            "#,
        );
        assert_eq!(manifest.dependencies(), ["requests>=2"]);
        assert_eq!(
            manifest.test_requirements(),
            ["pytest-cov", "hypothesis", "attrs"]
        );
        assert_eq!(manifest.test_extras(), ["test"]);
        assert_eq!(manifest.test_dependency_groups(), ["tests"]);
        assert!(manifest.has_static_dependencies());
    }

    #[test]
    fn dependencies_that_only_the_build_backend_knows_are_not_static() {
        let dynamic = Manifest::parse("[project]\nname = \"a\"\ndynamic = [\"dependencies\", \"version\"]\n");
        assert!(dynamic.is_package() && !dynamic.has_static_dependencies());
        let poetry = Manifest::parse("[tool.poetry]\nname = \"a\"\n[build-system]\nrequires = []\n");
        assert!(poetry.is_package() && !poetry.has_static_dependencies());
        assert!(!Manifest::parse("[tool.pytest]\n").is_package());
        assert!(!Manifest::parse("not [ toml").is_package());
    }
}
