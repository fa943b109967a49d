//! The configuration for others to read: keys that hold no secret and name nobody, sorted. Everything else, also what stands under a misspelt key, is hidden, and taken out of every other text. Pure.

use super::redaction::Hidden;
use std::fmt::Write as _;
use toml::{Table, Value};

/// The keys whose values are shown, each with its section. Account keys may also be in `account_defaults`.
const SHOWN: [(&str, &[&str]); 11] = [
    ("", &["state_dir"]),
    (
        "api",
        &[
            "base_url",
            "token_url",
            "client_secret_file",
            "access_token_file",
            "scopes",
            "path_segment",
            "rate_limit",
            "timeout",
            "connect_timeout",
            "ca_file",
            "allow_http",
        ],
    ),
    ("upload", &["style", "max_in_flight", "max_file_size", "confirm_for"]),
    ("retry", &["first", "max", "factor", "alert_after"]),
    ("poll", &["first", "max", "late_after", "give_up_after"]),
    ("watch", &["settle", "settle_max", "settle_unwatched", "rescan", "mode"]),
    ("log", &["format", "level"]),
    ("keep", &["done", "jobs"]),
    ("status", &["listen", "token_file", "operator_token_file", "hosts", "heartbeat_every"]),
    ("alert", &["on", "format", "summary_at"]),
    ("account", ACCOUNT),
];
const ACCOUNT: &[&str] = &[
    "name",
    "folder",
    "enabled",
    "fin",
    "wait_for_fin",
    "check",
    "duplicates",
    "extensions",
    "exclude",
    "order",
    "sequential",
    "wire_name",
    "style",
    "settle",
    "time_zone",
    "max_data_days",
    "max_at_adobe",
    "expect",
    "expect_days",
];
/// Keys that name a file with a secret, which is not shown.
pub(super) const SECRET_FILES: [&str; 4] =
    ["client_secret_file", "access_token_file", "token_file", "operator_token_file"];
/// The prefix of environment variables that set keys.
const PREFIX: &str = "DATADROP__";
/// The shortest part of a URL or of a command line that may be a secret of its own.
const SHORTEST_PART: usize = 8;
/// The length from which such a part may be one though it has no digit.
const SHORTEST_WORDLESS: usize = 20;
/// Numbers with fewer digits may be anything.
const SHORTEST_NUMBER: usize = 4;

/// What may be shown, what must be hidden, and which files hold secrets.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) hidden: Vec<Hidden>,
    /// Each with the key that names it.
    pub(super) secret_files: Vec<(String, String)>,
}

impl Shown {
    /// Reads the file, and the `DATADROP__…` variables of an environment.
    pub(super) fn read(file: &str, variables: &[(String, String)]) -> Self {
        let mut shown = Self::default();
        match file.parse::<Table>() {
            Ok(table) => {
                if table.is_empty() {
                    shown.text.push_str("# The file sets no key.\n");
                }
                let (plain, sections): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| !is_section(value));
                for (key, value) in plain {
                    shown.entry("", key, value);
                }
                for (key, value) in sections {
                    shown.section(key, value);
                }
            }
            Err(error) => {
                let line = error.span().map_or(1, |span| file.get(..span.start).unwrap_or_default().lines().count());
                let _ =
                    writeln!(shown.text, "# The file is not valid TOML near line {line}, so nothing of it is shown.");
                shown.hide_lines(file);
            }
        }
        for (name, value) in variables {
            if let Some(path) = name.strip_prefix(PREFIX) {
                let path = path.to_lowercase();
                let (section, key) = path.split_once("__").unwrap_or(("", &path));
                let _ = write!(shown.text, "\n# environment variable {name}\n# ");
                shown.entry(section, key, &Value::String(value.clone()));
            }
        }
        shown
    }

    fn section(&mut self, name: &str, value: &Value) {
        let tables: Vec<&Table> = match value {
            Value::Table(table) => vec![table],
            Value::Array(items) => items.iter().filter_map(Value::as_table).collect(),
            Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
                Vec::new()
            }
        };
        for table in tables {
            let heading = if value.is_array() { format!("[[{name}]]") } else { format!("[{name}]") };
            let heading = if keys_of(name).is_empty() { "[hidden]".to_owned() } else { heading };
            let _ = writeln!(self.text, "\n{heading}");
            for (key, value) in table {
                self.entry(name, key, value);
            }
        }
    }

    fn entry(&mut self, section: &str, key: &str, value: &Value) {
        let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        let is_known = keys_of(section).contains(&key);
        let names_secret = SECRET_FILES.contains(&key);
        // What is no path may be the secret itself.
        if is_known && !holds_address(value) && (!names_secret || is_path(value)) {
            if let (true, Some(file)) = (names_secret, value.as_str()) {
                self.secret_files.push((path, file.to_owned()));
            }
            let _ = writeln!(self.text, "{key} = {}", written(value));
            return;
        }
        self.hide(&path, value);
        // A key that nobody knows may be a secret itself.
        let key = if is_known || HIDDEN.contains(&key) { key } else { "unknown_key" };
        let _ = writeln!(self.text, "{key} = \"[hidden]\"");
    }

    fn hide(&mut self, path: &str, value: &Value) {
        let mut texts = Vec::new();
        collect(value, &mut texts);
        for text in texts {
            for part in parts(&text) {
                self.hidden.push(Hidden { value: part, key: path.to_owned() });
            }
            // The path of a program, which `doctor` names.
            if !(path == "alert.command" && text.starts_with('/') && !text.contains(' ')) {
                self.hidden.push(Hidden { value: text, key: path.to_owned() });
            }
        }
    }

    /// Of a file that cannot be parsed: whatever stands behind `=` may be a secret, unless its key is shown.
    fn hide_lines(&mut self, file: &str) {
        for line in file.lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            let key = key.trim().trim_start_matches('#').trim();
            let is_shown = SHOWN.iter().any(|(_, keys)| keys.contains(&key));
            let value = value.trim().trim_matches(['"', '\'']).to_owned();
            if !is_shown {
                self.hide("configuration", &Value::String(value));
            }
        }
    }
}

/// Known keys whose values are hidden. Their names say nothing.
const HIDDEN: [&str; 12] = [
    "global_company_id",
    "client_id",
    "client_secret",
    "access_token",
    "proxy",
    "heartbeat",
    "command",
    "webhook",
    "to",
    "from",
    "report_suite_id",
    "data_source_id",
];

fn keys_of(section: &str) -> &'static [&'static str] {
    let section = if section == "account_defaults" { "account" } else { section };
    SHOWN.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| keys)
}

fn is_section(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Array(items) => items.iter().any(Value::is_table),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => false,
    }
}

/// A value as TOML writes it.
fn written(value: &Value) -> String {
    match value {
        // A text of JSON is one of TOML.
        Value::String(text) => serde_json::to_string(text).unwrap_or_default(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| format!("{key} = {}", written(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn is_path(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with('/'))
}

/// A URL with a password or a query, or an address of a person.
fn holds_address(value: &Value) -> bool {
    let mut texts = Vec::new();
    collect(value, &mut texts);
    texts.iter().any(|text| text.contains('@') || (text.contains("//") && text.contains('?')))
}

/// Every text and every long number in a value.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Integer(number) => texts.extend(Some(number.to_string()).filter(|text| text.len() >= SHORTEST_NUMBER)),
        Value::Float(number) => texts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Table(table) => table.iter().for_each(|(key, value)| {
            texts.push(key.clone());
            collect(value, texts);
        }),
        Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// What within a URL or a command line may be a secret of its own. Programs, options and hosts are none.
fn parts(text: &str) -> Vec<String> {
    let (mut always, mut long) = (Vec::new(), Vec::new());
    if !text.contains("://") && !text.contains([' ', '=']) {
        return always;
    }
    for word in text.split([' ', '"', '\'', '`', '|', ';']) {
        let Some((_, rest)) = word.split_once("://") else {
            let value = word.split_once('=').map_or(word, |(_, value)| value);
            long.push(value);
            continue;
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        for part in user.split(':').filter(|part| !part.is_empty()) {
            let decoded = percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
            always.extend([part.to_owned(), decoded]);
        }
        long.extend(path.split(['/', '?', '&', '=', '#']));
    }
    // Words of a language have no digits.
    let may_be_secret = |part: &&str| {
        let is_mixed = part.bytes().any(|byte| byte.is_ascii_digit()) || part.len() >= SHORTEST_WORDLESS;
        part.len() >= SHORTEST_PART && is_mixed && !part.starts_with(['/', '.'])
    };
    always.extend(long.into_iter().filter(may_be_secret).map(str::to_owned));
    always
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: &str = include_str!("../../../config/default.toml");

    #[test]
    fn every_key_of_the_configuration_is_shown_or_hidden_on_purpose() {
        let mut section = String::new();
        let mut seen = 0;
        for line in DEFAULTS.lines() {
            let line = line.trim_start_matches("# ");
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_matches(['[', ']']).to_owned();
            }
            let Some((key, value)) = line.split_once(" = ") else { continue };
            let is_key = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !value.is_empty();
            if is_key {
                seen += 1;
                assert!(keys_of(&section).contains(&key) != HIDDEN.contains(&key), "{section}.{key}");
            }
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn p6_secrets_are_hidden_under_whatever_key_and_in_whatever_form() {
        let file = "client_id = \"misplaced\"\n[api]\nbase_url = \"https://user:pw-of-base@host/api\"\n\
                    global_company_id = \"examplecompany\"\nclient_secrett = \"typo-secret\" # comment-secret\n\
                    client_secret_file = \"not-a-path\"\nproxy = \"http://me:p%40ss@proxy:3128\"\n\
                    [[alert]]\non = [\"held\"]\nwebhook = \"https://hooks.example.com/services/T0001/abcdefgh12345678\"\n\
                    command = [\"/usr/bin/alert\", \"--token=cmd-token-1\"]\n\
                    [[account]]\nname = \"a\"\nreport_suite_id = \"examplersid\"\ndata_source_id = 987654\nfolder = \"/srv/a\"\n\
                    [mystery]\nword = \"mystery-secret\"\n";
        let variables =
            [("DATADROP__API__CLIENT_SECRET", "env-secret"), ("DATADROP__LOG__LEVEL", "debug"), ("HOME", "/x")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let shown = Shown::read(file, &variables);
        for secret in [
            "misplaced",
            "pw-of-base",
            "examplecompany",
            "typo-secret",
            "client_secrett",
            "comment-secret",
            "not-a-path",
            "p%40ss",
            "hooks.example.com",
            "cmd-token-1",
            "examplersid",
            "987654",
            "mystery",
            "env-secret",
            "/x",
        ] {
            assert!(!shown.text.contains(secret), "{secret}:\n{}", shown.text);
        }
        for plain in ["[api]", "name = \"a\"", "folder = \"/srv/a\"", "on = [\"held\"]", "level = \"debug\""] {
            assert!(shown.text.contains(plain), "{plain}:\n{}", shown.text);
        }
        let hidden: Vec<&str> = shown.hidden.iter().map(|hidden| hidden.value.as_str()).collect();
        for value in [
            "typo-secret",
            "p@ss",
            "abcdefgh12345678",
            "cmd-token-1",
            "env-secret",
            "not-a-path",
            "987654",
            "pw-of-base",
        ] {
            assert!(hidden.contains(&value), "{value}: {hidden:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_toml_shows_nothing_and_hides_what_it_may_hold() {
        let shown = Shown::read("[api\nclient_secret = \"broken-secret\"\nstate_dir = \"/var/x\"\n", &[]);
        assert!(shown.text.contains("not valid TOML") && !shown.text.contains("broken-secret"), "{}", shown.text);
        let hidden: Vec<&str> = shown.hidden.iter().map(|hidden| hidden.value.as_str()).collect();
        assert_eq!(hidden, ["broken-secret"]);
    }
}
