//! The configuration as a whole: what each mistake reads like, that documentation and code agree, and the layers.

use super::load::{DEFAULTS, EXAMPLE, layer, read};
use super::problems::{Outline, Report};
use super::section::Surroundings;
use super::*;
use crate::job::UploadStyle;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Stands for the directory of [`surroundings`] in `tests/bad_configs`.
const DIR: &str = "@DIR@";

/// The secret in the files of the tests, which no problem may repeat.
const SECRET: &str = "s3cr3t-0f-the-tests";

/// Files that configurations name.
fn surroundings() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("secret"), format!("{SECRET}\n")).unwrap();
    fs::set_permissions(path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path("empty"), "\n").unwrap();
    fs::write(path("short"), "0123456789abcde\n").unwrap();
    fs::create_dir(path("folder")).unwrap();
    dir
}

fn env(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn example(dir: &TempDir) -> String {
    let secret = dir.path().join("secret");
    EXAMPLE.replace("/etc/datadrop/client_secret", secret.to_str().unwrap())
}

/// Each `NAME.toml` fails with exactly the text of `NAME.expected`. Lines `# env: NAME=VALUE` set variables.
/// `UPDATE_EXPECTED=1` rewrites the texts.
#[test]
fn every_mistake_reads_as_expected() {
    let dir = surroundings();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_configs");
    let files: BTreeSet<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let here = dir.path().to_str().unwrap();
    let mut different = Vec::new();
    for path in &files {
        let partner = path.with_extension(if path.extension().unwrap() == "toml" { "expected" } else { "toml" });
        let update = std::env::var_os("UPDATE_EXPECTED").is_some();
        assert!(update || files.contains(&partner), "{} has no partner", path.display());
        if path.extension().unwrap() != "toml" {
            continue;
        }
        let text = fs::read_to_string(path).unwrap().replace(DIR, here);
        let variables = text.lines().filter_map(|line| line.strip_prefix("# env: ")?.split_once('='));
        let error = load_text("datadrop.toml", &text, env(&variables.collect::<Vec<_>>())).unwrap_err();
        assert!(error.problems.iter().all(|problem| problem.to_string().lines().count() == 1));
        let told = format!("{}\n", error.to_string().replace(here, DIR));
        assert!(!told.contains("s3cr3t"), "{} tells a secret", path.display());
        if update {
            fs::write(&partner, told).unwrap();
        } else if fs::read_to_string(&partner).unwrap_or_default() != told {
            different.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(!files.is_empty());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Takes the `# ` from every line of `default.toml` that is a key or a header.
fn uncommented() -> String {
    let bare = |line: &str| {
        let rest = line.strip_prefix("# ")?;
        let key =
            rest.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        (rest.starts_with("[[") || key).then(|| rest.to_owned())
    };
    DEFAULTS.lines().map(|line| bare(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn default_toml_lists_every_key_and_no_other() {
    let text = uncommented();
    let mut report = Report::new("default.toml".to_owned(), Outline::parse("default.toml", &text).unwrap());
    let table = layer(&mut report, &text, &Surroundings::default());
    read(&mut report, table, &Surroundings::default());
    assert_eq!(report.unknown(), Vec::<&str>::new());
    let listed = |heading: &str| -> BTreeSet<String> {
        let header = heading.strip_prefix("in ").unwrap_or_default();
        let mut here = "";
        let mut keys = BTreeSet::new();
        for line in text.lines() {
            if line.starts_with('[') {
                here = line;
            } else if here == header
                && let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#'))
            {
                keys.insert(key.to_owned());
            }
        }
        keys
    };
    for (heading, known) in report.known() {
        let mut listed = listed(heading);
        if heading == "in [[account]]" {
            listed.extend(self::uncommented_defaults(&text));
        } else if !heading.starts_with("in ") {
            listed.extend(
                text.lines().filter_map(|line| Some(line.strip_prefix('[')?.trim_matches(['[', ']']).to_owned())),
            );
        }
        let known: BTreeSet<String> = known.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(listed, known, "{heading}");
    }
}

fn uncommented_defaults(text: &str) -> Vec<String> {
    let section = text.split("[account_defaults]\n").nth(1).unwrap().split("\n[[").next().unwrap();
    let keys = section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    keys.map(|(key, _)| key.to_owned()).collect()
}

#[test]
fn the_example_loads_and_every_default_is_that_of_the_documentation() {
    let dir = surroundings();
    let config = load_text("datadrop.toml", &example(&dir), env(&[])).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.file, None);
    assert_eq!(config.state_dir, Path::new("/var/lib/datadrop"));
    assert_eq!(config.api.base_url, "https://analytics.adobe.io/api");
    assert_eq!(config.api.rate_limit, Some(RateLimit { requests: 12, per: Duration::from_secs(6) }));
    assert!(matches!(&config.api.credential, Credential::SecretFile(path) if *path == dir.path().join("secret")));
    assert_eq!(config.upload.max_file_size, 50_000_000);
    assert_eq!(config.keep.done, Duration::ZERO);
    assert_eq!(config.status.listen, None);
    let [account] = config.accounts.as_slice() else { panic!("one account") };
    assert_eq!((account.name.as_str(), account.data_source_id, account.enabled), ("callcentre", 621, true));
    assert_eq!((account.fin, account.check, account.duplicates), (FinMode::Auto, CheckMode::Warn, Duplicates::Hold));
    assert_eq!((account.extensions.as_slice(), account.style), (&["txt".to_owned()][..], StyleChoice::Auto));
}

#[test]
fn variables_lie_over_the_file_and_the_file_over_the_defaults() {
    let dir = surroundings();
    let text =
        example(&dir) + "[upload]\nmax_in_flight = 2\nconfirm_for = \"1m\"\n[account_defaults]\norder = \"arrival\"\n";
    let variables = [
        ("DATADROP__UPLOAD__MAX_IN_FLIGHT", "8"),
        ("DATADROP__RETRY__FACTOR", "3"),
        ("DATADROP__API__SCOPES", "openid, AdobeID"),
        ("DATADROP__API__PATH_SEGMENT", ""),
        ("DATADROP__UPLOAD__STYLE", "post-multipart"),
        ("DATADROP__ACCOUNT_DEFAULTS__ENABLED", "false"),
        ("DATADROP__KEEP__DONE", "0"),
        ("DATADROP__STATE_DIR", "/srv/state/"),
        ("DATADROP_CONFIG", "/etc/other.toml"),
        ("STATE_DIRECTORY", "/var/lib/private"),
        ("PATH", "/bin"),
    ];
    let config = load_text("datadrop.toml", &text, env(&variables)).unwrap();
    assert_eq!((config.upload.max_in_flight, config.upload.confirm_for), (8, Duration::from_mins(1)));
    assert!((config.retry.factor - 3.0).abs() < f64::EPSILON);
    assert_eq!(config.api.scopes, ["openid", "AdobeID"]);
    assert_eq!(config.api.path_segment, "");
    assert_eq!(config.state_dir, Path::new("/srv/state"));
    let account = &config.accounts[0];
    assert_eq!((account.order, account.enabled), (Order::Arrival, false));
    assert_eq!(account.style, StyleChoice::Fixed(UploadStyle::PostMultipart));
    assert_eq!(config.warnings, []);
}

#[test]
fn an_account_overrides_the_defaults() {
    let dir = surroundings();
    let text = example(&dir)
        + "style = \"put-json\"\nenabled = true\n\
            extensions = [\"csv\"]\n[account_defaults]\nstyle = \"put-multipart\"\nenabled = false\nexpect = \"2 by 06:00\"\n";
    let config = load_text("datadrop.toml", &text, env(&[])).unwrap();
    let account = &config.accounts[0];
    assert_eq!((account.style, account.enabled), (StyleChoice::Fixed(UploadStyle::PutJson), true));
    assert_eq!(
        (account.extensions.as_slice(), account.expect),
        (&["csv".to_owned()][..], Some(Expect { files: 2, by_minute: 360 }))
    );
}

#[test]
fn systemd_gives_the_state_directory_and_the_secret() {
    let dir = surroundings();
    fs::rename(dir.path().join("secret"), dir.path().join("client_secret")).unwrap();
    let text = EXAMPLE.replace("client_secret_file", "# client_secret_file");
    let credentials = dir.path().to_str().unwrap();
    let systemd = [("CREDENTIALS_DIRECTORY", credentials), ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")];
    let config = load_text("datadrop.toml", &text, env(&systemd)).unwrap();
    assert_eq!(config.state_dir, Path::new("/var/lib/a"));
    assert!(matches!(&config.api.credential, Credential::SecretFile(path) if path.ends_with("client_secret")));
    let with_token = text + "\n[upload]\n";
    let token = [("CREDENTIALS_DIRECTORY", credentials), ("DATADROP__API__ACCESS_TOKEN", "abc")];
    let config = load_text("datadrop.toml", &with_token, env(&token)).unwrap();
    assert!(matches!(&config.api.credential, Credential::Token(token) if token.expose_secret() == "abc"));
}

#[test]
fn what_others_may_read_is_warned_of() {
    let dir = surroundings();
    let secret = dir.path().join("secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let file = dir.path().join("datadrop.toml");
    let token = dir.path().join("token");
    fs::write(&token, "0123456789abcdef\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let status =
        format!("[status]\nlisten = \"0.0.0.0:8611\"\ntoken_file = {token:?}\nhosts = [\"Datadrop.example.com\"]\n");
    fs::write(&file, example(&dir) + &status).unwrap();
    let config = load(Some(&file), env(&[("DATADROP_UPLOAD__STYLE", "auto")])).unwrap();
    assert_eq!(config.file.as_deref(), Some(file.as_path()));
    assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
    assert!(config.warnings.iter().any(|warning| warning.what.starts_with("status.token_file: everybody")));
    assert_eq!(config.status.hosts, ["datadrop.example.com"]);

    fs::write(&file, EXAMPLE.replace("client_secret_file = \"", "client_secret = \"s3cr3t")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = load(Some(&file), env(&[])).unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].what.contains("datadrop.toml:9: api.client_secret stands"),
        "{warnings:?}"
    );
    assert!(!warnings[0].to_string().contains("s3cr3t"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(load(Some(&file), env(&[])).unwrap().warnings, []);
}

#[test]
fn a_group_member_reads_the_rest_without_the_secret() {
    let dir = surroundings();
    let file = dir.path().join("datadrop.toml");
    fs::write(&file, EXAMPLE.replace("/etc/datadrop", "/nowhere")).unwrap();
    assert!(load(Some(&file), env(&[])).unwrap_err().to_string().contains("it does not exist"));
    assert_eq!(load_without_secrets(Some(&file), env(&[])).unwrap().accounts.len(), 1);

    // The service has the secret from systemd, so the file names none.
    fs::write(&file, EXAMPLE.replace("client_secret_file", "# client_secret_file")).unwrap();
    assert!(load(Some(&file), env(&[])).unwrap_err().to_string().contains("no credential is configured"));
    assert_eq!(load_without_secrets(Some(&file), env(&[])).unwrap().accounts.len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_name() {
    let dir = surroundings();
    let told = |name: &str| load(Some(&dir.path().join(name)), env(&[])).unwrap_err().to_string();
    assert!(told("missing.toml").ends_with(
        "missing.toml: the configuration cannot be read (it does not exist); \
        `datadrop init` writes one; or name another with --config FILE"
    ));
    assert!(told("folder").contains("the configuration cannot be read (is a directory)"));
    fs::write(dir.path().join("latin1.toml"), b"a = 1\nb = \"\xe4\"\n").unwrap();
    assert!(told("latin1.toml").ends_with("latin1.toml:2: the file is not valid UTF-8; save the file as UTF-8"));
    let none = load(None, env(&[])).unwrap_err().to_string();
    assert!(none.contains("no configuration file: account: no account is configured"), "{none}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = load_text("x.toml", &text, env(&[]));
    }

    #[test]
    fn no_soup_of_keys_and_values_panics(
        lines in prop::collection::vec((
            prop::sample::select(vec![
                "[api]", "[[account]]", "[account]", "[[alert]]", "[retry]", "[keep]", "state_dir =", "timeout =",
                "name =", "folder =", "data_source_id =", "extensions =", "first =", "max =", "done =", "on =",
                "command =", "account =", "api =", "a.b =", "client_secret =", "expect =", "rate_limit =", "level =",
            ]),
            prop::sample::select(vec![
                "", "", "1", "-1", "1e400", "nan", "99999999999999999999", "true", "\"\"", "\"5s\"", "[]", "[1]", "{}",
                "{ x = 1 }", "\"/a\"", "\"/a/../..\"", "1979-05-27", "[[[]]]", "\"\\u0000\"", "[{ name = 1 }]",
            ]),
        ), 0..12),
        variable in "DATADROP__[A-Za-z_\\[\\]0-9.-]{0,20}",
        value in "\\PC{0,12}",
    ) {
        let text = lines.iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join("\n");
        let _ = load_text("x.toml", &text, env(&[(&variable, &value)]));
    }
}
