//! Kinds of projects whose tests are one command of their build tool.

use std::io;

use super::super::plan::{Check, Step};
use super::super::shell::SHELL;
use super::project::{Project, Wrapper};

pub(super) const MAKE: &str = "make";

pub(super) fn rust(project: &Project<'_>) -> io::Result<Option<Check>> {
    let is_found = project.files.has("Cargo.toml");
    let test = || Step::new("cargo", ["test", "--workspace"]);
    Ok(is_found.then(|| Check::new("rust", test()).downloads()))
}

pub(super) fn deno(project: &Project<'_>) -> io::Result<Option<Check>> {
    let Some(text) = project
        .files
        .read("deno.json")?
        .or(project.files.read("deno.jsonc")?)
    else {
        return Ok(None);
    };
    // `deno.jsonc` may have comments, which the parser of JSON refuses.
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let has_task = manifest.pointer("/tasks/test").is_some();
    let is_test = |name: &str| {
        ["_test.", ".test."].iter().any(|mark| name.contains(mark))
            && [".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs"]
                .iter()
                .any(|extension| name.ends_with(extension))
    };
    let test = if has_task {
        Step::new("deno", ["task", "test"])
    } else if project.files.contains("", is_test)? {
        Step::new("deno", ["test", "--allow-all"])
    } else {
        return Ok(None);
    };
    Ok(Some(Check::new("deno", test).downloads()))
}

pub(super) fn go(project: &Project<'_>) -> io::Result<Option<Check>> {
    let packages = match project.files.read("go.work")? {
        Some(workspace) => modules_of(&workspace),
        None if project.files.has("go.mod") => vec!["./...".to_owned()],
        None => Vec::new(),
    };
    let test = Step::new("go", ["test", "-v"]).args(&packages);
    Ok((!packages.is_empty()).then(|| Check::new("go", test).downloads()))
}

/// The packages of each module that a `go.work` uses: `./...` does not include modules below the root.
fn modules_of(workspace: &str) -> Vec<String> {
    let mut modules = Vec::new();
    let mut in_block = false;
    for line in workspace.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let directory = match line.strip_prefix("use") {
            Some(rest) if rest.trim() == "(" => {
                in_block = true;
                continue;
            }
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim(),
            _ if line == ")" => {
                in_block = false;
                continue;
            }
            _ if in_block => line,
            _ => continue,
        };
        let directory = directory.trim_matches('"').trim_end_matches('/');
        match directory {
            "" => {}
            "." => modules.push("./...".to_owned()),
            path if path.starts_with("./") || path.starts_with("../") => modules.push(format!("{path}/...")),
            path => modules.push(format!("./{path}/...")),
        }
    }
    modules
}

/// The project's wrapper, or the tool itself.
fn wrapped(project: &Project<'_>, wrapper: &str, tool: &str) -> (Step, &'static [&'static str]) {
    match project.files.wrapper(wrapper) {
        Some(Wrapper::Executable(path)) => (Step::new(path, []), &["java"]),
        Some(Wrapper::ForShell(path)) => (Step::new(SHELL, []).args([path]), &["java"]),
        None => (Step::new(tool, []), &[]),
    }
}

pub(super) fn maven(project: &Project<'_>) -> io::Result<Option<Check>> {
    if !project.files.has("pom.xml") {
        return Ok(None);
    }
    let (maven, tools) = wrapped(project, "mvnw", "mvn");
    let test = maven.args(["--batch-mode", "--no-transfer-progress", "test"]);
    Ok(Some(Check::new("maven", test).needs(tools).downloads()))
}

pub(super) fn gradle(project: &Project<'_>) -> io::Result<Option<Check>> {
    let builds = [
        "build.gradle",
        "build.gradle.kts",
        "settings.gradle",
        "settings.gradle.kts",
    ];
    if !project.files.has_any(&builds) {
        return Ok(None);
    }
    let (gradle, tools) = wrapped(project, "gradlew", "gradle");
    let test = gradle.args(["--console=plain", "--no-daemon", "test"]);
    Ok(Some(Check::new("gradle", test).needs(tools).downloads()))
}

pub(super) fn ruby(project: &Project<'_>) -> io::Result<Option<Check>> {
    let files = &project.files;
    if !files.has("Gemfile") {
        return Ok(None);
    }
    let bundle = |step: Step| step.env("BUNDLE_PATH", project.state.join("bundle"));
    let test = if files.has(".rspec") || files.has_directory("spec") {
        Step::new("bundle", ["exec", "rspec"])
    } else if files.has("Rakefile") && files.has_directory("test") {
        Step::new("bundle", ["exec", "rake", "test"])
    } else {
        return Ok(None);
    };
    let install = bundle(Step::new("bundle", ["install"]));
    Ok(Some(Check::new("ruby", bundle(test)).prepared_by(install)))
}

pub(super) fn php(project: &Project<'_>) -> io::Result<Option<Check>> {
    let Some(manifest) = project.files.read("composer.json")? else {
        return Ok(None);
    };
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
    let test = if manifest.pointer("/scripts/test").is_some() {
        Step::new("composer", ["run-script", "test"])
    } else if project
        .files
        .has_any(&["phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml"])
    {
        Step::new("php", ["vendor/bin/phpunit"])
    } else {
        return Ok(None);
    };
    let install = Step::new("composer", ["install", "--no-interaction", "--no-progress"]);
    Ok(Some(Check::new("php", test).prepared_by(install).needs(&["php"])))
}

pub(super) fn dotnet(project: &Project<'_>) -> io::Result<Option<Check>> {
    let is_build = |name: &String| {
        [".sln", ".slnx", ".csproj", ".fsproj", ".vbproj"]
            .iter()
            .any(|extension| name.ends_with(extension))
    };
    let is_found = project.files.names("")?.iter().any(is_build);
    let test = Step::new("dotnet", ["test", "--nologo"])
        .env("DOTNET_CLI_TELEMETRY_OPTOUT", "1")
        .env("DOTNET_NOLOGO", "1");
    Ok(is_found.then(|| Check::new("dotnet", test).downloads()))
}

pub(super) fn elixir(project: &Project<'_>) -> io::Result<Option<Check>> {
    if !project.files.has("mix.exs") || !project.files.has_directory("test") {
        return Ok(None);
    }
    let test = Step::new("mix", ["test"]);
    Ok(Some(
        Check::new("elixir", test)
            .prepared_by(Step::new("mix", ["local.hex", "--force", "--if-missing"]))
            .prepared_by(Step::new("mix", ["local.rebar", "--force", "--if-missing"]))
            .prepared_by(Step::new("mix", ["deps.get"])),
    ))
}

pub(super) fn swift(project: &Project<'_>) -> io::Result<Option<Check>> {
    let is_found = project.files.has("Package.swift") && project.files.has_directory("Tests");
    Ok(is_found.then(|| Check::new("swift", Step::new("swift", ["test"])).downloads()))
}

pub(super) fn cmake(project: &Project<'_>) -> io::Result<Option<Check>> {
    let has_tests = project.files.read("CMakeLists.txt")?.is_some_and(|text| {
        let text = text.to_lowercase();
        text.lines().any(|line| {
            let line: String = line.split_whitespace().collect();
            line.starts_with("enable_testing(") || line.starts_with("include(ctest)")
        })
    });
    if !has_tests {
        return Ok(None);
    }
    let build = project.state.join("build");
    let configure = Step::new("cmake", ["-S", ".", "-B"]).args([&build]);
    let compile = Step::new("cmake", ["--build"]).args([&build]);
    let test = Step::new("ctest", ["--output-on-failure", "--test-dir"]).args([&build]);
    Ok(Some(
        Check::new("cmake", test)
            .prepared_by(configure)
            .prepared_by(compile),
    ))
}

pub(super) fn make(project: &Project<'_>) -> io::Result<Option<Check>> {
    for makefile in ["GNUmakefile", "makefile", "Makefile"] {
        if let Some(text) = project.files.read(makefile)? {
            let test = || Step::new("make", ["test"]);
            return Ok(has_test_target(&text).then(|| Check::new(MAKE, test())));
        }
    }
    Ok(None)
}

/// Whether a makefile has a rule for `test`. Assignments (`test := …`) are no rules.
fn has_test_target(makefile: &str) -> bool {
    makefile.lines().any(|line| {
        if line.starts_with(['\t', '#', ' ']) {
            return false;
        }
        let Some((targets, rest)) = line.split_once(':') else {
            return false;
        };
        let is_assignment = rest.starts_with('=') || rest.starts_with(":=");
        !is_assignment && targets.split_whitespace().any(|target| target == "test")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_a_go_workspace_is_tested() {
        let workspace =
            "go 1.24\n\nuse ./a // first\nuse (\n\t.\n\t./b/\n\t\"./c\"\n\tlib\n)\n\nreplace x => ./d\n";
        assert_eq!(
            modules_of(workspace),
            ["./a/...", "./...", "./b/...", "./c/...", "./lib/..."]
        );
    }
}
