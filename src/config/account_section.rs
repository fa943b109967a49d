//! Reads `[account_defaults]` and each `[[account]]`, and what accounts must not share.

use super::given::{check_segment, parse_expect, parse_expect_days};
use super::name_patterns::NamePatterns;
use super::problems::{Place, Report, Wrong, wrong};
use super::section::{Section, Table};
use super::sections::{AccountConfig, CheckMode, Duplicates, FinMode, Order, StyleChoice, WireName};
use crate::job::zone_named;
use config::ValueKind;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Reads `[account_defaults]`, over the built-in defaults, as an account without keys of its own.
pub(super) fn read_defaults(mut section: Section<'_>, style: StyleChoice, settle: Duration) -> AccountConfig {
    let defaults = AccountConfig {
        name: String::new(),
        report_suite_id: String::new(),
        data_source_id: 0,
        folder: PathBuf::new(),
        enabled: false,
        fin: FinMode::Auto,
        wait_for_fin: false,
        check: CheckMode::Warn,
        duplicates: Duplicates::Hold,
        extensions: Vec::new(),
        exclude: NamePatterns::default(),
        order: Order::Name,
        sequential: false,
        wire_name: WireName::Keep,
        style,
        time_zone: None,
        max_data_days: None,
        max_at_adobe: None,
        expect: None,
        expect_days: None,
        settle,
    };
    let defaults = read_settings(&mut section, &defaults);
    section.finish();
    defaults
}

/// The keys that may stand in either place.
fn read_settings(section: &mut Section<'_>, defaults: &AccountConfig) -> AccountConfig {
    let expect = section.take("expect", |given| {
        let remedy = "write a number of files and a time of day, such as \"2 by 06:00\"";
        parse_expect(given.text()?).ok_or_else(|| wrong("not a number of files and a time", remedy))
    });
    let expect_days = section.take("expect_days", |given| {
        let remedy = "write `daily` or `weekdays` and a time after the end of a day, such as \"daily within 36h\"";
        parse_expect_days(given.text()?).ok_or_else(|| wrong("not days and a time", remedy))
    });
    let time_zone = section.take("time_zone", |given| {
        let remedy = "write a name of the IANA time zone database, such as \"Europe/Berlin\"";
        zone_named(given.text()?).ok_or_else(|| wrong("not a time zone", remedy))
    });
    let max_data_days = section.whole("max_data_days", 1..=i64::MAX, "write a number of days, such as 90");
    let check = section.word("check").unwrap_or(defaults.check);
    if check == CheckMode::Off && section.has("max_data_days") {
        let remedy = "set check to \"warn\" or \"reject\"";
        section.blame("max_data_days", wrong("the days of a file are known only if it is checked", remedy));
    }
    let duplicates = section.word("duplicates").unwrap_or(defaults.duplicates);
    let expect_days = expect_days.or(defaults.expect_days);
    for (key, is_wanted) in [("duplicates", duplicates == Duplicates::HoldDays), ("expect_days", expect_days.is_some())]
    {
        let given = if section.has(key) { key } else { "check" };
        if check == CheckMode::Off && is_wanted && section.has(given) {
            let problem = format!("{key} needs the days of a file, which are known only if it is checked");
            section.blame(given, wrong(&problem, "set check to \"warn\" or \"reject\""));
        }
    }
    AccountConfig {
        enabled: section.truth("enabled").unwrap_or(defaults.enabled),
        fin: section.word("fin").unwrap_or(defaults.fin),
        wait_for_fin: section.truth("wait_for_fin").unwrap_or(defaults.wait_for_fin),
        check,
        duplicates,
        extensions: section
            .take("extensions", |given| given.texts().and_then(check_extensions))
            .unwrap_or_else(|| defaults.extensions.clone()),
        exclude: section
            .take("exclude", |given| given.texts().and_then(|patterns| NamePatterns::compile(&patterns)))
            .unwrap_or_else(|| defaults.exclude.clone()),
        order: section.word("order").unwrap_or(defaults.order),
        sequential: section.truth("sequential").unwrap_or(defaults.sequential),
        wire_name: section.word("wire_name").unwrap_or(defaults.wire_name),
        style: section.word("style").unwrap_or(defaults.style),
        time_zone: time_zone.or_else(|| defaults.time_zone.clone()),
        max_data_days: max_data_days.and_then(|days| u64::try_from(days).ok()).or(defaults.max_data_days),
        max_at_adobe: section.size("max_at_adobe").or(defaults.max_at_adobe),
        expect: expect.or(defaults.expect),
        expect_days,
        settle: section.duration("settle").unwrap_or(defaults.settle),
        ..defaults.clone()
    }
}

fn check_extensions(extensions: Vec<String>) -> Result<Vec<String>, Wrong> {
    if extensions.is_empty() {
        return Err(wrong("no file would ever be sent", "write [\"txt\"]"));
    }
    for extension in &extensions {
        if extension.is_empty() {
            return Err(wrong("an extension is empty", "write extensions such as \"txt\""));
        }
        if let Some(bare) = extension.strip_prefix('.') {
            return Err(wrong("extensions are written without the dot", format!("write {bare:?}")));
        }
        if extension.contains(['.', '/']) || extension.chars().any(|char| char.is_whitespace() || char.is_control()) {
            return Err(wrong(
                format!("no file has the extension {extension:?}"),
                "write its last part, such as \"txt\"",
            ));
        }
        if extension.eq_ignore_ascii_case("fin") {
            return Err(wrong("fin is the extension of markers", "remove it; markers are always watched for"));
        }
        if extension.eq_ignore_ascii_case("why") {
            return Err(wrong("why is the extension of the notes in failed/ and held/", "choose another extension"));
        }
    }
    Ok(extensions)
}

/// An account, and where its keys stand.
struct Read {
    config: AccountConfig,
    label: String,
    name_place: Place,
    id_place: Place,
    folder_place: Place,
}

/// Reads every account, and compares them.
pub(super) fn read_accounts(
    report: &mut Report,
    tables: Vec<(usize, Table)>,
    defaults: &AccountConfig,
    state_dir: &Path,
) -> Vec<AccountConfig> {
    let mut accounts: Vec<Read> = Vec::new();
    for (index, table) in tables {
        let account = read_account(report, index, table, defaults);
        compare(report, &accounts, &account);
        accounts.push(account);
    }
    check_overlaps(report, &accounts, state_dir);
    accounts.into_iter().map(|account| account.config).collect()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn read_account(report: &mut Report, index: usize, table: Table, defaults: &AccountConfig) -> Read {
    let name =
        table.get("name").and_then(|value| if let ValueKind::String(name) = &value.kind { Some(name) } else { None });
    let label = match name.filter(|name| is_name(name)) {
        Some(name) => format!("account \"{name}\""),
        None => format!("account #{}", index + 1),
    };
    let path = format!("account[{index}]");
    let mut section = Section::new(report, "in [[account]]", &path, format!("{label}: "), table);
    section.require("name", "write a name of your own, such as name = \"callcentre\"");
    section.require("report_suite_id", "write it in quotes, such as report_suite_id = \"examplersid\"");
    section.require(
        "data_source_id",
        "write its number, such as data_source_id = 621; the accounts list command shows it",
    );
    section.require("folder", "write the folder to watch, such as folder = \"/srv/datadrop/callcentre\"");
    let [name_place, id_place, folder_place] = ["name", "data_source_id", "folder"].map(|key| section.place(key));
    let name = section.take("name", |given| {
        let name = given.filled()?;
        let remedy = "write letters, digits, \"-\" and \"_\" only, such as \"callcentre\"";
        if is_name(name) { Ok(name.to_owned()) } else { Err(wrong("not a name for an account", remedy)) }
    });
    let report_suite_id = section.take("report_suite_id", |given| {
        let id = given.filled()?;
        check_segment(id).map(|()| id.to_owned())
    });
    let remedy = "write the number without quotes, such as 621";
    let data_source_id = section.whole("data_source_id", 1..=i64::MAX, remedy).unwrap_or_default();
    let folder = section.take("folder", |given| absolute(given.filled()?));
    let settings = read_settings(&mut section, defaults);
    section.finish();
    let config = AccountConfig {
        name: name.unwrap_or_default(),
        report_suite_id: report_suite_id.unwrap_or_default(),
        data_source_id,
        folder: folder.unwrap_or_default(),
        ..settings
    };
    Read { config, label, name_place, id_place, folder_place }
}

/// An absolute path, without `.` and without a slash at the end.
pub(super) fn absolute(text: &str) -> Result<PathBuf, Wrong> {
    let path = Path::new(text);
    if path.is_absolute() {
        Ok(path.components().collect())
    } else {
        Err(wrong("not an absolute path", "write the whole path, from / on"))
    }
}

/// Reports what this account shares with one before it. Wrong names and IDs are empty or zero here, and share nothing.
fn compare(report: &mut Report, before: &[Read], account: &Read) {
    let line = |place: &Place| place.line.map_or_else(String::new, |line| format!(" (line {line})"));
    let (this, name) = (&account.config, &account.config.name);
    if let Some(other) = before.iter().find(|other| !name.is_empty() && other.config.name == *name) {
        let message = format!("another account has this name{}", line(&other.name_place));
        let problem = wrong(message, "give each account a name of its own");
        report.add(account.name_place.clone(), format!("{}: name", account.label), Some(format!("{name:?}")), problem);
    }
    let same = |other: &&Read| {
        // Report suite IDs are not case-sensitive to Adobe; two accounts here would send one file twice there.
        let same_suite = other.config.report_suite_id.eq_ignore_ascii_case(&this.report_suite_id);
        same_suite
            && !this.report_suite_id.is_empty()
            && this.data_source_id > 0
            && other.config.data_source_id == this.data_source_id
    };
    if let Some(other) = before.iter().find(same) {
        let message = format!(
            "{}{} sends to data source {} of report suite {:?} already",
            other.label,
            line(&other.id_place),
            this.data_source_id,
            this.report_suite_id
        );
        let problem = wrong(message, "keep one of the two accounts, or correct the IDs");
        let value = Some(this.data_source_id.to_string());
        report.add(account.id_place.clone(), format!("{}: data_source_id", account.label), value, problem);
    }
}

// No watched folder may lie in another, nor hold the state directory: a file would have two owners.
//
// Paths are compared by their text. No folder is read here, because one on a share that hangs would keep every command,
// reload and start waiting (DESIGN F10). Links are followed when an account's own thread opens its folder.

/// Without `.` and `..`, by the text alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            plain.pop();
        } else if component != Component::CurDir {
            plain.push(component);
        }
    }
    plain
}

/// How one folder lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Inside,
    Around,
}

fn relation(this: &Path, other: &Path) -> Option<Relation> {
    if this == other {
        Some(Relation::Same)
    } else if this.starts_with(other) {
        Some(Relation::Inside)
    } else if other.starts_with(this) {
        Some(Relation::Around)
    } else {
        None
    }
}

/// Reports every pair that overlaps, at the later of the two.
fn check_overlaps(report: &mut Report, accounts: &[Read], state_dir: &Path) {
    let named = |path: &Path| !path.as_os_str().is_empty();
    let accounts: Vec<&Read> = accounts.iter().filter(|account| named(&account.config.folder)).collect();
    for (index, account) in accounts.iter().enumerate() {
        let mut blame = |path: &Path, whose: String| {
            let relation = match relation(&plain(&account.config.folder), &plain(path)) {
                Some(Relation::Same) => "this is also",
                Some(Relation::Inside) => "this lies inside",
                Some(Relation::Around) => "this holds",
                None => return,
            };
            let message = format!("{relation} {whose} ({})", path.display());
            let shown = format!("{:?}", account.config.folder.display().to_string());
            let problem = wrong(message, "choose a folder beside it; none may lie in another");
            report.add(account.folder_place.clone(), format!("{}: folder", account.label), Some(shown), problem);
        };
        if named(state_dir) {
            blame(state_dir, "state_dir".to_owned());
        }
        for other in &accounts[..index] {
            blame(&other.config.folder, format!("the folder of {}", other.label));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_component() {
        let of = |this: &str, other: &str| relation(&plain(Path::new(this)), &plain(Path::new(other)));
        assert_eq!(of("/nowhere/a", "/nowhere/./a/"), Some(Relation::Same));
        assert_eq!(of("/nowhere/a/sent", "/nowhere/a"), Some(Relation::Inside));
        assert_eq!(of("/nowhere", "/nowhere/a"), Some(Relation::Around));
        assert_eq!(of("/nowhere/b/../a", "/nowhere/a"), Some(Relation::Same));
        assert_eq!(of("/nowhere/ab", "/nowhere/a"), None);
    }
}
