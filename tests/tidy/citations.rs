//! What comments, texts and names of tests cite, held to what is there: rules and sections of `src/DESIGN.md`, and files.

use super::{assert_none, files_in, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What the design defines. Section 12, "Planned", defines nothing that could be cited.
struct Design {
    /// `P1`, `A2`: each bold word that begins a list item.
    rules: BTreeSet<String>,
    /// The text of each section, by its number.
    sections: BTreeMap<u32, String>,
}

impl Design {
    fn read() -> Self {
        Self::of(&fs::read_to_string(root().join("src/DESIGN.md")).unwrap())
    }

    fn of(text: &str) -> Self {
        let in_force = text.split("\n## 12. Planned").next().unwrap();
        let starts = in_force.lines().filter_map(|line| line.strip_prefix("- **")?.split_once("**"));
        let mut sections: BTreeMap<u32, String> = BTreeMap::new();
        for section in in_force.split("\n## ").skip(1) {
            let (number, text) = section.split_once(". ").expect("a section has a number");
            sections.insert(number.parse().unwrap(), text.to_owned());
        }
        Self { rules: starts.map(|(rule, _)| rule.to_owned()).collect(), sections }
    }

    /// The letters that rules begin with.
    fn is_letter(&self, letter: char) -> bool {
        self.rules.iter().any(|rule| rule.starts_with(letter))
    }

    /// Whether the section has that heading, or a table of it that row.
    fn has_title(&self, section: u32, title: &str) -> bool {
        let is_title = |line: &str| line == format!("### {title}") || line.starts_with(&format!("| {title} |"));
        self.sections.get(&section).is_some_and(|text| text.lines().any(is_title))
    }

    /// Whether the section has that in code font, by itself or before more.
    fn has_code(&self, section: u32, code: &str) -> bool {
        self.sections.get(&section).is_some_and(|text| text.contains(&format!("`{code}")))
    }

    /// What of this line cites the design and is not there. `next`: the line below it, where a citation may go on.
    fn missing(&self, line: &str, next: &str) -> Vec<String> {
        let mut missing: Vec<String> = cited_rules(line)
            .into_iter()
            .filter(|rule| self.is_letter(rule.chars().next().unwrap_or_default()) && !self.rules.contains(rule))
            .collect();
        let both = format!("{} {}", line.trim_end(), without_comment_sign(next));
        for (start, _) in line.match_indices('§') {
            let rest = &both[start + '§'.len_utf8()..];
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let rest = &rest[digits.len()..];
            let Ok(number) = digits.parse() else { continue };
            if !self.sections.contains_key(&number) {
                missing.push(format!("§{digits}"));
            } else if let Some(title) = rest.strip_prefix(", \"").and_then(|rest| rest.split('"').next())
                && !self.has_title(number, title)
            {
                missing.push(format!("§{digits}, \"{title}\""));
            } else if let Some(code) = rest.strip_prefix(", `").and_then(|rest| rest.split('`').next())
                && !self.has_code(number, code)
            {
                missing.push(format!("§{digits}, `{code}`"));
            }
        }
        let ends = line.trim_end().len();
        for (start, word) in both.match_indices("DESIGN").filter(|(start, _)| *start < ends) {
            let Some(rest) = both[start + word.len()..].strip_prefix(' ') else { continue };
            if !rest.starts_with('§') && cited_rules(rest).first().is_none_or(|rule| !rest.starts_with(rule.as_str()))
            {
                missing.push(format!("{word} {}", rest.split_whitespace().next().unwrap_or_default()));
            }
        }
        missing
    }
}

/// A line of a comment without the sign that makes it one.
fn without_comment_sign(line: &str) -> &str {
    line.trim_start().trim_start_matches(['/', '!', '#', '-']).trim_start()
}

/// Letter and number of rules: `F10` as a word of its own, or at the head of a test's name, `fn f10_…`.
fn cited_rules(line: &str) -> Vec<String> {
    let is_rule = |word: &str| {
        let mut chars = word.chars();
        chars.next().is_some_and(|letter| letter.is_ascii_uppercase())
            && (1..=2).contains(&chars.as_str().len())
            && chars.all(|digit| digit.is_ascii_digit())
    };
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut rules: Vec<String> = words.filter(|word| is_rule(word)).map(str::to_owned).collect();
    let name = line.split("fn ").nth(1).and_then(|name| name.split('_').next()).unwrap_or_default().to_uppercase();
    rules.extend(Some(name).filter(|name| is_rule(name)));
    rules
}

/// The comment at the end of a line, or all of a line that is one.
fn comment<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    let sign = match Path::new(path).extension()?.to_str()? {
        "rs" => "//",
        "sql" => "--",
        _ => "#",
    };
    let begins = |start: usize| line[..start].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices(sign).map(|(start, _)| start).find(|&start| begins(start)).map(|start| &line[start..])
}

/// The documents and sources that a comment names. `NAME.txt` stands for any name, and a path from `/` for another machine's.
fn cited_files(comment: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || "._/-".contains(c);
    let words = comment.split(|c: char| !is_part(c)).map(|word| word.trim_end_matches(['.', '-']));
    let is_file = |word: &&str| {
        let Some((stem, "md" | "rs" | "sql" | "toml" | "sh" | "yml")) = word.rsplit_once('.') else { return false };
        !stem.is_empty() && !stem.starts_with('/') && !stem.ends_with("NAME")
    };
    words.filter(is_file).collect()
}

/// Whether the repository has that file, as seen from its root, from `src` or from beside the file that names it; a name
/// without folders may be any file's.
fn is_there(files: &BTreeSet<String>, from: &str, cited: &str) -> bool {
    let beside = Path::new(from).parent().unwrap_or(Path::new("")).join(cited);
    [cited.to_owned(), format!("src/{cited}"), beside.to_string_lossy().into_owned()]
        .iter()
        .any(|path| files.contains(path) || root().join(path).is_file())
        || !cited.contains('/') && files.iter().any(|path| path.rsplit('/').next() == Some(cited))
}

/// The documents that people read, with links to follow.
const DOCUMENTS: [&str; 4] = [".github/CONTRIBUTING.md", ".github/SECURITY.md", "src/DESIGN.md", "tests/README.md"];

/// The sources and the tests.
fn citing() -> BTreeSet<String> {
    let is_source = |path: &String| {
        Path::new(path).extension().is_some_and(|end| ["rs", "sql", "sh"].iter().any(|known| end == *known))
    };
    ["src", "tests"].into_iter().flat_map(files_in).filter(is_source).collect()
}

#[test]
fn what_is_cited_of_the_design_is_there() {
    let design = Design::read();
    assert!(design.rules.len() > 35 && design.sections.len() == 11, "the design could not be read");
    let mut breaches = Vec::new();
    let mut cited = BTreeSet::new();
    for path in citing().into_iter().chain(DOCUMENTS.map(str::to_owned)) {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            cited.extend(cited_rules(line));
            let missing = design.missing(line, lines.get(index + 1).copied().unwrap_or_default());
            breaches.extend(missing.into_iter().map(|what| format!("{path}:{}: {what}", index + 1)));
        }
    }
    assert!(cited.len() > 30, "the citations were not found");
    assert_none("cited, and not in src/DESIGN.md", &breaches);
}

#[test]
fn files_that_comments_cite_are_there() {
    let files: BTreeSet<String> = ["config", "src", "systemd", "tests"].into_iter().flat_map(files_in).collect();
    let mut breaches = Vec::new();
    for path in citing().into_iter().chain(["config/default.toml".to_owned(), "systemd/datadrop.service".to_owned()]) {
        for (index, line) in fs::read_to_string(root().join(&path)).unwrap().lines().enumerate() {
            let cited = comment(&path, line).map(cited_files).unwrap_or_default();
            let missing = cited.into_iter().filter(|cited| !is_there(&files, &path, cited));
            breaches.extend(missing.map(|cited| format!("{path}:{}: {cited}", index + 1)));
        }
    }
    for path in DOCUMENTS {
        for (index, line) in fs::read_to_string(root().join(path)).unwrap().lines().enumerate() {
            let spans = line.split('`').skip(1).step_by(2).filter(|span| span.contains('/') && !span.contains(' '));
            let ours = spans.filter(|span| {
                ["src/", "tests/", "config/", "systemd/", ".ci/"].iter().any(|top| span.starts_with(top))
            });
            let missing = ours.filter(|span| !root().join(span).exists());
            breaches.extend(missing.map(|span| format!("{path}:{}: {span}", index + 1)));
        }
    }
    assert_none("cited, and not in the repository", &breaches);
}

#[test]
fn a_citation_of_what_is_not_there_is_found() {
    let design = Design::of("\n## 1. A\n\n### B\n\n- **F1** c\n\n| `d` | e |\n\n## 12. Planned\n\n- **F2** f\n");
    // With a sign between, so that this file cites nothing of the kind.
    for (line, next, missing) in [
        ("// DESI%GN F%1, §%1, \"B\"", "", ""),
        ("/// as (DESI%GN §%1,", "/// \"B\") says", ""),
        ("/// as (DESI%GN", "/// §%1) says", ""),
        ("// §%1, `d`", "", ""),
        ("fn f%1_holds() {", "", ""),
        ("// F%2 is planned", "", "F%2"),
        ("fn f%9_holds() {", "", "F%9"),
        ("assert!(true, \"F%10\");", "", "F%10"),
        ("// DESI%GN §%7", "", "§%7"),
        ("// DESI%GN §%1, \"C\"", "", "§%1, \"C\""),
        ("// §%1, `x`", "", "§%1, `x`"),
        ("// DESI%GN Tracking", "", "DESI%GN Tracking"),
        ("// HTTP/1.1, U64 and Z%3 are no rules", "", ""),
    ] {
        let [line, next, missing] = [line, next, missing].map(|text| text.replace('%', ""));
        assert_eq!(design.missing(&line, &next).join(" "), missing, "{line}");
    }
    let files = BTreeSet::from(["src/a/b.rs".to_owned()]);
    let line =
        "let x = \"c.rs\"; /%/ as b.rs, a/b.rs and `reference/d.md` say, not /e.md or NAME.toml.".replace('%', "");
    let cited = cited_files(comment("src/a/f.rs", &line).unwrap());
    let missing: Vec<&str> = cited.into_iter().filter(|cited| !is_there(&files, "src/a/f.rs", cited)).collect();
    assert_eq!(missing, ["reference/d.md"]);
}
