//! `datadrop check`: its output for people and for programs, and its exit codes.
//!
//! For each `tests/check_data/NAME.txt` (or `.fin`) that breaks a rule, `NAME.expected` holds the output of the
//! command, byte for byte. `UPDATE_EXPECTED=1` rewrites these files. The data files have dates of 2026. The command
//! reads copies with dates of last year, so that no date is in the future or too old when the tests run.

use crate::harness::{stderr, stdout};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;

/// The year of the dates in `tests/check_data`.
const WRITTEN: &str = "2026";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_data")
}

fn last_year() -> String {
    (jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).year() - 1).to_string()
}

/// Replaces a text, also in UTF-16.
fn replaced(content: &[u8], from: &str, to: &str) -> Vec<u8> {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let once = |content: &[u8], from: &[u8], to: &[u8]| {
        let mut replaced = Vec::new();
        let mut rest = content;
        while let Some(at) = rest.windows(from.len()).position(|bytes| bytes == from) {
            replaced.extend_from_slice(&[&rest[..at], to].concat());
            rest = &rest[at + from.len()..];
        }
        [replaced.as_slice(), rest].concat()
    };
    once(&once(content, from.as_bytes(), to.as_bytes()), &wide(from), &wide(to))
}

/// The folder with the copies.
fn copies() -> &'static Path {
    static COPIES: LazyLock<TempDir> = LazyLock::new(|| {
        let copies = tempfile::tempdir().unwrap();
        for name in data_files() {
            let content = fs::read(folder().join(&name)).unwrap();
            fs::write(copies.path().join(name), replaced(&content, WRITTEN, &last_year())).unwrap();
        }
        copies
    });
    COPIES.path()
}

/// Runs the command without a configuration in this folder.
fn check_in(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    command.current_dir(dir).env("DATADROP_CONFIG", "/nowhere/datadrop.toml");
    command.arg("check").args(arguments).output().unwrap()
}

fn check(arguments: &[&str]) -> Output {
    check_in(copies(), arguments)
}

fn data_files() -> Vec<String> {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_data = |name: &String| !name.starts_with('.') && Path::new(name).extension() != Some("expected".as_ref());
    let mut names: Vec<String> = names.filter(is_data).collect();
    names.sort();
    names
}

fn json(output: &Output) -> Vec<Value> {
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

#[test]
fn every_file_reads_as_expected() {
    let mut different = Vec::new();
    let mut expected_files = BTreeSet::new();
    for name in data_files() {
        let output = check(&[&name]);
        let told = stdout(&output).replace(&last_year(), WRITTEN);
        if name.contains(".inside.") {
            assert!(told.contains(": nothing found, ") && told.lines().count() == 1, "{told}");
            assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{name}");
            continue;
        }
        let expected = folder().join(&name).with_extension("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &told).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != told {
            different.push(told);
        }
        expected_files.insert(expected);
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    let all = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let left_over: Vec<PathBuf> =
        all.filter(|path| path.extension() == Some("expected".as_ref()) && !expected_files.contains(path)).collect();
    assert!(left_over.is_empty(), "{left_over:?}");
}

#[test]
fn json_has_every_key_and_says_the_same() {
    for name in data_files() {
        let (text, output) = (check(&[&name]), check(&[&name, "--json"]));
        assert_eq!((output.status.code(), stderr(&output).as_str()), (text.status.code(), ""), "{name}");
        let findings = json(&output);
        for finding in &findings {
            let keys: Vec<&str> = finding.as_object().unwrap().keys().map(String::as_str).collect();
            let mut expected = ["file", "line", "column", "code", "severity", "message", "suggestion"];
            expected.sort_unstable();
            assert_eq!(keys, expected, "{name}");
            assert_eq!(finding["file"], name.as_str());
        }
        let has = |severity: &str| findings.iter().any(|finding| finding["severity"] == severity);
        let code = if has("fails") || has("skips") { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{name}: {findings:?}");
    }
    // Parsed objects have no order, but the text has.
    let text = stdout(&check(&["column-spacing.txt", "--json"]));
    assert_eq!(
        text,
        "[\n  {\n    \"file\": \"column-spacing.txt\",\n    \"line\": 1,\n    \"column\": 6,\n    \
         \"code\": \"column-spacing\",\n    \"severity\": \"fails\",\n    \
         \"message\": \"`eVar1` is not how Adobe writes this column: the spaces count; Adobe's page on the file \
         format calls such a name invalid, although the sample on its upload page has it\",\n    \
         \"suggestion\": \"write `Evar 1`\"\n  }\n]\n"
    );
    assert_eq!(stdout(&check(&["no-rows.inside.txt", "--json"])), "[]\n");
    let whole = json(&check(&["no-rows.txt", "--json"]));
    assert!(whole[0]["line"].is_null() && whole[0]["column"].is_null(), "{whole:?}");
}

#[test]
fn several_files_are_checked_to_the_end_and_summed_up() {
    let output =
        check(&["no-such.txt", "semicolon.txt", "no-rows.txt", ".", "field-count.txt", "date-missing.inside.txt"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("datadrop: no-such.txt: cannot be checked: No such file or directory"), "{told}");
    assert!(told.contains("datadrop: .: cannot be checked: it is a folder"), "{told}");
    assert!(told.ends_with("More about a rule: datadrop check --explain semicolon\n"), "{told}");
    let text = stdout(&output);
    assert_eq!(text.lines().last(), Some("4 files: 1 fails, 1 skips, 1 doubtful, 1 in order"), "{text}");
    assert_eq!(check(&["date-missing.inside.txt", "no-rows.txt"]).status.code(), Some(0));
    assert_eq!(check(&["date-missing.inside.txt", "semicolon.txt"]).status.code(), Some(3));
    let output = check(&["no-such.txt", "semicolon.txt", "--json"]);
    assert_eq!((output.status.code(), json(&output).len()), (Some(1), 1));
}

#[test]
fn rules_are_explained_and_unknown_ones_lead_to_the_known() {
    let codes: BTreeSet<String> = datadrop::check::Code::ALL.iter().map(ToString::to_string).collect();
    for code in &codes {
        let output = check(&["--explain", code]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{code}");
        for part in [code.as_str(), "The rule", "Adobe", "Remedy", "Source"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let output = check(&["--explain", "semicolons"]);
    let told = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    assert!(told.starts_with("datadrop: there is no rule `semicolons`; did you mean `semicolon`?\n"), "{told}");
    assert!(codes.iter().all(|code| told.contains(code.as_str())), "{told}");
    for wrong in [&["--explain"][..], &[], &["--explain", "semicolon", "a.txt"], &["--explain", "semicolon", "--json"]]
    {
        assert_eq!(check(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

/// The document is generated. `UPDATE_EXPECTED=1` rewrites everything after its introduction.
#[test]
fn the_document_has_every_rule_with_source_and_severity() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check/RULES.md");
    let document = fs::read_to_string(&path).unwrap();
    let (introduction, _) = document.split_once("| rule |").unwrap();
    let mut table = "| rule | severity | what it says | what becomes of the file | remedy | source |\n\
                     | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for code in datadrop::check::Code::ALL {
        let rule = code.rule();
        let texts = [rule.says, rule.effect, rule.remedy, rule.source].map(|text| text.replace('|', "\\|"));
        writeln!(table, "| `{code}` | {} | {} |", rule.severity, texts.join(" | ")).unwrap();
    }
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, format!("{introduction}{table}")).unwrap();
    } else {
        assert!(document.ends_with(&table), "src/check/RULES.md differs from src/check/code.rs");
    }
}

#[test]
fn names_are_judged_as_well_and_never_reach_the_terminal_raw() {
    let dir = tempfile::tempdir().unwrap();
    for name in [" sales.txt", "SALES.TXT", "sales.csv", "sa\u{1b}[31mles.txt", "SALES.FIN"] {
        fs::write(dir.path().join(name), "Date\tEvar 1\tEvent 1\n11/20/2026\tred\t1\n").unwrap();
    }
    fs::write(dir.path().join("SALES.FIN"), "").unwrap();
    for (name, code, exit) in [
        (" sales.txt", "name-white-space", 3),
        ("SALES.TXT", "extension-case", 3),
        ("SALES.FIN", "extension-case", 3),
        ("sales.csv", "extension-other", 0),
        ("sa\u{1b}[31mles.txt", "name-not-sendable", 3),
    ] {
        let output = check_in(dir.path(), &[name]);
        assert_eq!(output.status.code(), Some(exit), "{name:?}");
        let text = stdout(&output);
        assert!(text.contains(&format!("[{code}]")) && !text.contains('\u{1b}'), "{text}");
    }
}

/// A day that has begun in some time zone is at most doubtful. A day that has begun in none fails.
#[test]
fn future_days_are_distinguished_from_days_that_have_begun() {
    let dir = tempfile::tempdir().unwrap();
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system());
    for (days, exit, code) in [(0, 0, None), (3, 3, Some("date-future")), (-1_000, 0, Some("date-old"))] {
        let day = now.date().saturating_add(jiff::Span::new().days(days)).strftime("%m/%d/%Y").to_string();
        let rows = format!("{day}\tred\t1\n").repeat(100_000);
        fs::write(dir.path().join("sales.txt"), format!("Date\tEvar 1\tEvent 1\n{rows}")).unwrap();
        let output = check_in(dir.path(), &["sales.txt", "--json"]);
        let found: Vec<Value> = json(&output).iter().map(|finding| finding["code"].clone()).collect();
        assert_eq!((output.status.code(), found), (Some(exit), code.map(Value::from).into_iter().collect()), "{days}");
    }
}

#[test]
fn a_large_array_says_what_it_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (1..=1_500).map(|count| "11/20/2026".to_owned() + &"\t".repeat(count + 2) + "\n").collect();
    fs::write(dir.path().join("sales.txt"), format!("Date\tEvar 1\tEvent 1\n{rows}")).unwrap();
    let output = check_in(dir.path(), &["sales.txt", "--json"]);
    assert_eq!((output.status.code(), json(&output).len()), (Some(3), 1_000));
    assert!(stderr(&output).contains("sales.txt: 500 findings left out"), "{}", stderr(&output));
    let text = stdout(&check_in(dir.path(), &["sales.txt"]));
    assert!(text.contains("… and 1,490 more: 1,490 field-count\n"), "{text}");
}

#[test]
fn a_cause_that_many_rows_share_is_one_finding_with_their_number() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "2026-11-20\ta;b\t1\n".repeat(1_500);
    fs::write(dir.path().join("sales.txt"), format!("Date\tEvar 1\tEvent 1\n{rows}")).unwrap();
    let output = check_in(dir.path(), &["sales.txt", "--json"]);
    let findings = json(&output);
    assert_eq!((output.status.code(), findings.len(), stderr(&output).as_str()), (Some(3), 2, ""));
    for finding in findings {
        let message = finding["message"].as_str().unwrap();
        assert!(message.ends_with(" (1,500 rows: lines 2, 3, 4, 5, 6, 7, 8, 9 and 1,492 more)"), "{message}");
    }
    let text = stdout(&check_in(dir.path(), &["sales.txt"]));
    assert!(text.ends_with("sales.txt: fails: 2 findings, 1,500 rows\n"), "{text}");
}

#[test]
fn a_file_too_large_is_reported_in_constant_memory() {
    let dir = tempfile::tempdir().unwrap();
    let row = format!("11/20/2026\t{}\t1\n", "x".repeat(4_000));
    let rows = row.repeat(50_000_000 / row.len() + 1);
    fs::write(dir.path().join("sales.txt"), format!("Date\tEvar 1\tEvent 1\n{rows}")).unwrap();
    let output = check_in(dir.path(), &["sales.txt"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stdout(&output).contains("doubtful: the file has 50.01 MB; Adobe pauses above 50 MB"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn pipes_are_not_waited_for_and_a_closed_one_is_a_success() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.txt");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let output = check_in(dir.path(), &["pipe.txt"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("it is not a plain file"), "{}", stderr(&output));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    command.current_dir(copies()).args(["check", "semicolon.txt"]).stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn totals_are_the_rows_and_exact_sums_of_each_data_day() {
    let dir = tempfile::tempdir().unwrap();
    let year = last_year();
    let rows = "11/21/2026/23/59/59\tred\t1\tshoes\t18446744073709551616.000000000000001\n\
                11/20/2026\tred\t2\tshoes\t0.1\n11/20/2026\tred\t3\tshoes\t0.20\n11/20/2026\tred\t\tshoes\t-5\n\
                11/20/2026\tred\t1,5\tshoes\t\n11/20/2026\tre;d\t100\tshoes\t100\n\
                02/30/2026\tred\t7\tshoes\t7\n11/20/2026\tred\t7\n";
    let content = format!("Date\tEvar 1\tevent 1\tProduct\tPrice\n{}", rows.replace(WRITTEN, &year));
    fs::write(dir.path().join("sales.txt"), content).unwrap();
    let output = check_in(dir.path(), &["sales.txt", "--totals", "--json"]);
    // In the order of the columns, which parsed objects do not keep.
    let expected = format!(
        "[\n  {{\n    \"file\": \"sales.txt\",\n    \"day\": \"{year}-11-20\",\n    \"rows\": 5,\n    \"totals\": {{\n      \
         \"Event 1\": \"5\",\n      \"Price\": \"-4.70\"\n    }}\n  }},\n  {{\n    \"file\": \"sales.txt\",\n    \
         \"day\": \"{year}-11-21\",\n    \"rows\": 1,\n    \"totals\": {{\n      \"Event 1\": \"1\",\n      \
         \"Price\": \"18446744073709551616.000000000000001\"\n    }}\n  }}\n]\n"
    );
    assert_eq!((stdout(&output), output.status.code()), (expected, Some(3)));
    let remarks = [
        "of no day: 2 rows whose date or fields datadrop cannot read".to_owned(),
        "in no sum: the rows with semicolons, which Adobe skips: line 7".to_owned(),
        format!("Event 1: the sums leave out 1 value not written as a plain number: {year}-11-20"),
        format!("Price: the sums include 1 negative amount: {year}-11-20"),
    ];
    let prefixed: String =
        remarks.iter().fold(String::new(), |text, remark| text + &format!("datadrop: sales.txt: {remark}\n"));
    assert_eq!(stderr(&output), prefixed, "nothing is left out in silence");
    let output = check_in(dir.path(), &["sales.txt", "--totals"]);
    let table = format!(
        "sales.txt: fails: 5 findings, 8 rows\n\
         day         rows  Event 1                                 Price\n\
         {year}-11-20     5        5                                 -4.70\n\
         {year}-11-21     1        1  18446744073709551616.000000000000001\n{}\n",
        remarks.join("\n")
    );
    assert_eq!((stdout(&output), output.status.code()), (table, Some(3)));
    assert_eq!(stderr(&output), "To see the findings: datadrop check sales.txt\n");
}

#[test]
fn totals_of_a_file_without_days_are_none_and_its_end_is_that_of_the_check() {
    for (name, code) in [("not-tab-delimited.txt", 3), ("no-rows.txt", 0)] {
        let plain = check(&[name]);
        let output = check(&[name, "--totals", "--json"]);
        assert_eq!((stdout(&output).as_str(), output.status.code()), ("[]\n", plain.status.code()), "{name}");
        assert_eq!(output.status.code(), Some(code), "{name}");
    }
    let output = check(&["--totals", "no-rows.inside.txt", "marker-not-empty.inside.fin"]);
    let table = format!(
        "no-rows.inside.txt: nothing found, 1 row\nday         rows  Event 1\n{}-11-20     1        1\n\n\
         marker-not-empty.inside.fin: nothing found, a marker\n\n2 files: 2 in order\n",
        last_year()
    );
    assert_eq!((stdout(&output), stderr(&output).as_str(), output.status.code()), (table, "", Some(0)));
    assert_eq!(check(&["--explain", "semicolon", "--totals"]).status.code(), Some(2));
}
