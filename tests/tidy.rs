//! Compares the structure of the code with the rules in `lib.rs`. Reports all breaches together, each with its file and
//! line.

mod circles;
mod citations;
mod manual;
mod tokens;

use datadrop::job::State;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use tokens::{Token, tokens, without_tests};

/// The root of the package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file without its comments, texts and tests.
struct Source {
    /// Path from the root of the package, such as `src/adobe/http.rs`.
    path: String,
    tokens: Vec<Token>,
    lines: usize,
}

impl Source {
    /// The module of `lib.rs` that the file belongs to. `main` for `main.rs`.
    fn module(&self) -> &str {
        let path = self.path.trim_start_matches("src/");
        path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
    }

    /// Returns whether the source is this file, or is in this folder.
    fn is_in(&self, place: &str) -> bool {
        self.path == format!("{place}.rs") || self.path == place || self.path.starts_with(&format!("{place}/"))
    }

    /// The lines on which these tokens follow each other.
    fn lines_with(&self, sequence: &[&str]) -> Vec<usize> {
        self.tokens
            .windows(sequence.len())
            .filter(|window| window.iter().zip(sequence).all(|(token, text)| token.is(text)))
            .map(|window| window[0].line)
            .collect()
    }

    /// The lines that name an item of a crate: `notify::`, `use notify;`. Excludes members and functions of that name.
    fn lines_naming_crate(&self, name: &str) -> Vec<usize> {
        let mut lines = Vec::new();
        for (index, token) in self.tokens.iter().enumerate().filter(|(_, token)| token.is(name)) {
            let before = |steps: usize| index.checked_sub(steps).and_then(|index| self.tokens.get(index));
            let is_member = before(1).is_some_and(|token| token.is("."))
                || (before(1).is_some_and(|token| token.is("::")) && before(2).is_some_and(Token::is_word));
            let leads = self.tokens.get(index + 1).is_some_and(|token| token.is("::"));
            let is_used = before(1).is_some_and(|token| token.is("use") || token.is("crate"))
                || before(1).is_some_and(|token| token.is("::")) && before(2).is_some_and(|token| token.is("use"));
            if !is_member && (leads || is_used) {
                lines.push(token.line);
            }
        }
        lines
    }

    /// The names after `prefix`, by line: `crate::{a, b::c}` names `a` and `b`.
    fn named_after(&self, prefix: &[&str]) -> Vec<(usize, String)> {
        let mut named = Vec::new();
        for start in 0..self.tokens.len() {
            let rest = &self.tokens[start..];
            if rest.len() <= prefix.len() || !rest.iter().zip(prefix).all(|(token, text)| token.is(text)) {
                continue;
            }
            let rest = &rest[prefix.len()..];
            if !rest[0].is("{") {
                named.push((rest[0].line, rest[0].text.clone()));
                continue;
            }
            let (mut depth, mut before) = (0, "{");
            for token in rest {
                match token.text.as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ if depth == 1 && (before == "{" || before == ",") => named.push((token.line, token.text.clone())),
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                before = &token.text;
            }
        }
        named
    }
}

/// Every file below a folder, as a path from the root of the package.
fn files_in(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The source files of the product, without files that hold only tests.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut tests: Vec<String> = Vec::new();
    for path in files_in("src").into_iter().filter(|path| Path::new(path).extension() == Some("rs".as_ref())) {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let (tokens, modules) = without_tests(&tokens(&text));
        let as_path = PathBuf::from(&path);
        let is_root = ["lib.rs", "main.rs", "mod.rs"].iter().any(|name| as_path.ends_with(name));
        let home = if is_root { as_path.parent().unwrap().to_owned() } else { as_path.with_extension("") };
        tests.extend(modules.iter().map(|module| home.join(module).to_str().unwrap().to_owned()));
        sources.push(Source { path, tokens, lines: text.lines().count() });
    }
    sources.retain(|source| !tests.iter().any(|test| source.is_in(test)));
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

/// Fails with every breach, one per line.
#[track_caller]
fn assert_none(rule: &str, breaches: &[String]) {
    let mut text = String::new();
    for breach in breaches {
        writeln!(text, "  {breach}").unwrap();
    }
    assert!(breaches.is_empty(), "{rule}:\n{text}");
}

#[test]
fn each_crate_that_is_hard_to_take_back_has_one_home() {
    let homes: [(&str, &[&str]); 6] = [
        ("rusqlite", &["src/joblog"]),
        ("reqwest", &["src/adobe"]),
        ("notify", &["src/inbox"]),
        ("backoff", &["src/retry"]),
        ("maud", &["src/status/page"]),
        ("signal_hook", &["src/daemon/lifetime", "src/cli"]),
    ];
    let sources = sources();
    let mut breaches = Vec::new();
    for (name, places) in homes {
        let mut met = false;
        for source in &sources {
            for line in source.lines_naming_crate(name) {
                met = true;
                if !places.iter().any(|place| source.is_in(place)) {
                    breaches.push(format!("{}:{line}: uses {name}, whose home is {}", source.path, places.join(", ")));
                }
            }
        }
        assert!(met, "{name} is used nowhere: this test looks past it, or its rule has had its day");
    }
    assert_none("a crate is used outside its home", &breaches);
}

#[test]
fn deciding_modules_are_pure() {
    let pure = [
        "src/job",
        "src/check",
        "src/inbox/readiness",
        "src/track/reconcile",
        "src/retry",
        "src/upload/outcome",
        "src/track/judge",
        "src/track/schedule",
        "src/alert/group",
        "src/alert/missing",
        "src/alert/message",
        "src/alert/summary",
        "src/alert/tally",
        "src/alert/bodies",
        "src/cli/doctor/judge",
        "src/cli/dry_run/plan",
        "src/cli/dry_run/printed",
        "src/cli/explain/job",
        "src/cli/explain/explanation",
        "src/status/page/chart",
        "src/status/page/confirm",
        "src/status/page/filters",
        "src/status/page/flow",
        "src/status/page/forms",
        "src/status/page/frame",
        "src/status/page/job_list",
        "src/status/page/life",
        "src/status/page/metrics",
        "src/status/page/overview",
        "src/status/page/route",
        "src/status/page/sessions",
    ];
    let sources = sources();
    let mut breaches = Vec::new();
    for place in pure {
        assert!(sources.iter().any(|source| source.is_in(place)), "{place} is not there any more");
    }
    for source in sources.iter().filter(|source| pure.iter().any(|place| source.is_in(place))) {
        let mut found: Vec<(usize, String)> = Vec::new();
        for name in ["tokio", "rusqlite", "reqwest", "rustix", "tracing"] {
            found.extend(source.lines_naming_crate(name).into_iter().map(|line| (line, name.to_owned())));
        }
        for (line, name) in source.named_after(&["std", "::"]) {
            if ["fs", "net", "env", "process", "thread"].contains(&name.as_str()) {
                found.push((line, format!("std::{name}")));
            }
        }
        found.extend(source.lines_with(&["::", "now", "("]).into_iter().map(|line| (line, "a clock".to_owned())));
        breaches.extend(found.into_iter().map(|(line, what)| format!("{}:{line}: uses {what}", source.path)));
    }
    assert_none("what decides takes facts and `now` as arguments", &breaches);
}

/// The table "Who may import whom" of `lib.rs`.
fn allowed_imports() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let names = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).filter(|name| !name.contains(' ')).map(str::to_owned).collect()
    };
    let modules: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect();
    let mut allowed = BTreeMap::new();
    let table = text.split("# Who may import whom").nth(1).unwrap().split("//! # ").next().unwrap();
    for row in table.lines().filter_map(|line| line.strip_prefix("//! | `")) {
        let (left, right) = format!("`{row}").split_once(" | ").map(|(l, r)| (l.to_owned(), r.to_owned())).unwrap();
        for module in names(&left) {
            let mut may = names(&right);
            if right.starts_with("everything but") {
                may = modules.iter().filter(|name| !may.contains(name)).cloned().collect();
            }
            may.push(module.clone());
            assert!(
                may.iter().all(|name| modules.contains(name)),
                "src/lib.rs: unknown module in the row of `{module}`"
            );
            allowed.insert(module, may);
        }
    }
    assert_eq!(allowed.keys().collect::<Vec<_>>(), {
        let mut modules: Vec<&String> = modules.iter().collect();
        modules.sort();
        modules
    });
    allowed
}

#[test]
fn nobody_imports_what_the_map_does_not_allow() {
    let allowed = allowed_imports();
    let mut breaches = Vec::new();
    for source in sources() {
        let Some(may) = allowed.get(source.module()) else { continue };
        for (line, name) in source.named_after(&["crate", "::"]) {
            if !may.contains(&name) {
                breaches.push(format!("{}:{line}: `{}` must not import `{name}`", source.path, source.module()));
            }
        }
        // `super` must not lead out of the module, because the table does not see that.
        let depth = source.path.split('/').count() - if source.path.ends_with("/mod.rs") { 2 } else { 1 };
        let out = ["super", "::"].repeat(depth);
        breaches.extend(
            source
                .lines_with(&out)
                .into_iter()
                .map(|line| format!("{}:{line}: `super` leads out of the module", source.path)),
        );
    }
    assert_none("the table of src/lib.rs says who may import whom", &breaches);
}

#[test]
fn stages_and_the_modules_below_them_know_no_stage() {
    // A change could weaken the table. These entries must never be in it.
    let allowed = allowed_imports();
    let stages = ["inbox", "upload", "track", "alert", "daemon", "cli"];
    let below = ["job", "clock", "check", "retry", "config", "folder", "joblog", "adobe", "status"];
    for module in stages[..4].iter().chain(&below) {
        for other in stages.iter().filter(|other| *other != module) {
            assert!(!allowed[*module].contains(&(*other).to_owned()), "src/lib.rs: `{module}` may import `{other}`");
        }
    }
}

#[test]
fn nothing_panics_where_an_error_could_be_returned() {
    let sequences: [&[&str]; 9] = [
        &[".", "unwrap", "("],
        &[".", "expect", "("],
        &["todo", "!"],
        &["unimplemented", "!"],
        &["panic", "!"],
        &["unreachable", "!"],
        &["dbg", "!"],
        &["process", "::", "exit"],
        &["unsafe"],
    ];
    let mut breaches = Vec::new();
    for source in sources() {
        // The only system call that no safe crate offers (DESIGN R5).
        let is_lease = source.path == "src/folder/directory/lease.rs";
        for sequence in sequences.iter().filter(|sequence| !(is_lease && **sequence == ["unsafe"])) {
            for line in source.lines_with(sequence) {
                breaches.push(format!("{}:{line}: {}", source.path, sequence.concat()));
            }
        }
    }
    assert_none("not outside of tests", &breaches);
}

#[test]
fn every_migration_is_applied() {
    let text = fs::read_to_string(root().join("src/joblog/schema.rs")).unwrap();
    let mut files = files_in("src/joblog");
    files.retain(|path| Path::new(path).extension() == Some("sql".as_ref()));
    let migrations = files.iter().filter_map(|path| path.strip_prefix("src/joblog/migrations/"));
    // The first migration is the schema.
    let mut breaches: Vec<String> = migrations
        .zip(2..)
        .filter(|(name, number)| !name.starts_with(&format!("{number:04}_")))
        .map(|(name, number)| format!("src/joblog/migrations/{name}: is number {number}, and says otherwise"))
        .collect();
    breaches.extend(
        files
            .iter()
            .filter(|path| !text.contains(&format!("include_str!(\"{}\")", path.trim_start_matches("src/joblog/"))))
            .map(|path| format!("{path}: is not in the list of src/joblog/schema.rs")),
    );
    assert_none("each migration is numbered, and listed in src/joblog/schema.rs", &breaches);
}

#[test]
fn no_list_of_states_is_written_by_hand() {
    // The test of `job::sets` can compare only lists that come from it with the enum.
    let states: Vec<String> = State::ALL.iter().map(|state| format!("'{state}'")).collect();
    let mut breaches = Vec::new();
    for path in files_in("src").into_iter().filter(|path| Path::new(path).extension() == Some("rs".as_ref())) {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let is_list = line.split(['(', ')']).any(|part| {
                let words: Vec<&str> = part.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
                words.len() > 1 && words.iter().all(|word| states.iter().any(|state| state == word))
            });
            if is_list {
                breaches.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none("SQL is built from the named sets of src/job/sets.rs", &breaches);
}

#[test]
fn each_file_has_a_name_of_its_own() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files_in("src") {
        places.entry(path.rsplit('/').next().unwrap().to_owned()).or_default().push(path);
    }
    places.retain(|name, paths| paths.len() > 1 && name != "mod.rs" && name != "tests.rs");
    let breaches: Vec<String> = places.into_values().map(|paths| paths.join(", ")).collect();
    assert_none("a name says which file is meant", &breaches);
}

#[test]
fn no_file_is_too_long_to_be_read() {
    const LONGEST: usize = 450;
    let breaches: Vec<String> = sources()
        .iter()
        .filter(|source| source.lines > LONGEST)
        .map(|source| format!("{}:{}: split it by what it does", source.path, source.lines))
        .collect();
    assert_none(&format!("no file under src is longer than {LONGEST} lines"), &breaches);
}

#[test]
fn the_top_level_holds_what_was_agreed() {
    const AGREED: [&str; 11] = [
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "config",
        "src",
        "systemd",
        "tests",
    ];
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap_or_default();
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    let mut breaches = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.starts_with('.') && !AGREED.contains(&name.as_str()) && !ignored.contains(&name.as_str()) {
            breaches.push(format!("{name}: belongs into one of the folders"));
        }
    }
    breaches.extend(AGREED.iter().filter(|name| !root().join(name).exists()).map(|name| format!("{name}: is missing")));
    assert_none("the top level is part of the design", &breaches);
}
