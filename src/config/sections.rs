//! The sections of the configuration, as the stages receive them: typed, checked, defaults applied.

use super::alert_event::{AlertEvent, AlertForm};
use super::name_patterns::NamePatterns;
use crate::job::{Problem, Program, ReportSuite, Target, UploadStyle};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use strum::{EnumString, VariantNames};

/// The whole configuration, valid by construction.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, as given; `None` when there was none.
    pub file: Option<PathBuf>,
    /// Holds `datadrop.db` and its lock.
    pub state_dir: PathBuf,
    /// Section `[api]`.
    pub api: ApiConfig,
    /// Section `[upload]`.
    pub upload: UploadConfig,
    /// Section `[retry]`.
    pub retry: RetryConfig,
    /// Section `[poll]`.
    pub poll: PollConfig,
    /// Section `[watch]`.
    pub watch: WatchConfig,
    /// Section `[log]`.
    pub log: LogConfig,
    /// Section `[keep]`.
    pub keep: KeepConfig,
    /// Section `[status]`.
    pub status: StatusConfig,
    /// Each `[[alert]]`.
    pub alerts: Vec<AlertConfig>,
    /// Each `[[account]]`, with `[account_defaults]` applied. Names are unique.
    pub accounts: Vec<AccountConfig>,
    /// What is doubtful, though it works, such as a secret that others may read.
    pub warnings: Vec<Problem>,
    /// The user that commands need which change something, where people work as others.
    pub service_user: Option<String>,
}

impl Config {
    /// How commands begin that people are given under this configuration.
    #[must_use]
    pub fn program(&self) -> Program {
        let program = self.file.as_deref().map_or_else(Program::default, Program::reading);
        program.for_user(self.service_user.as_deref())
    }
}

/// How to reach the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Without a slash at the end.
    pub base_url: String,
    /// Where tokens come from.
    pub token_url: String,
    /// The global company ID.
    pub global_company_id: String,
    /// The client ID, sent as `x-api-key`.
    pub client_id: String,
    /// How requests are authorised.
    pub credential: Credential,
    /// Scopes asked for with a token.
    pub scopes: Vec<String>,
    /// `datasources`, `data_sources` or empty.
    pub path_segment: String,
    /// `None` is `"off"`.
    pub rate_limit: Option<RateLimit>,
    /// The longest silence, no byte taken or given.
    pub timeout: Duration,
    /// For the connection alone.
    pub connect_timeout: Duration,
    /// Proxy for all requests; it may hold a password.
    pub proxy: Option<SecretString>,
    /// A PEM file with further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP beyond loopback.
    pub allow_http: bool,
}

impl ApiConfig {
    /// A report suite of the configured company.
    #[must_use]
    pub fn report_suite(&self, id: &str) -> ReportSuite {
        ReportSuite {
            base_url: self.base_url.clone(),
            path_segment: self.path_segment.clone(),
            company: self.global_company_id.clone(),
            id: id.to_owned(),
        }
    }
}

/// Where the authorisation of requests comes from.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A client secret in the configuration or an environment variable.
    Secret(SecretString),
    /// A client secret in a file, read again at each renewal.
    SecretFile(PathBuf),
    /// A ready access token.
    Token(SecretString),
    /// A ready access token in a file, read again when it is refused.
    TokenFile(PathBuf),
}

/// At most so many requests in any such time, as the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many; at least 1.
    pub requests: u32,
    /// In what time; never zero.
    pub per: Duration,
}

/// Section `[upload]`.
#[derive(Debug, Clone)]
pub struct UploadConfig {
    /// The style for accounts that name none.
    pub style: StyleChoice,
    /// Over all accounts; at least 1.
    pub max_in_flight: usize,
    /// In bytes; larger files are rejected.
    pub max_file_size: u64,
    /// How long a missing remote job may take to show.
    pub confirm_for: Duration,
}

/// A fixed upload style, or find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StyleChoice {
    /// Try them in order and remember what worked.
    Auto,
    /// This one only.
    Fixed(UploadStyle),
}

impl FromStr for StyleChoice {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let fixed = || UploadStyle::from_word(word).map(Self::Fixed);
        if word == "auto" { Ok(Self::Auto) } else { fixed().ok_or(()) }
    }
}

impl VariantNames for StyleChoice {
    const VARIANTS: &[&str] = &["auto", "put-json", "post-multipart", "put-multipart"];
}

/// Section `[retry]`.
#[derive(Debug, Clone)]
pub struct RetryConfig {
    /// The first delay.
    pub first: Duration,
    /// The longest delay.
    pub max: Duration,
    /// Growth from delay to delay; at least 1.
    pub factor: f64,
    /// A file older than this is alerted.
    pub alert_after: Duration,
}

/// Section `[poll]`.
#[derive(Debug, Clone)]
pub struct PollConfig {
    /// From an upload to the first sweep.
    pub first: Duration,
    /// The longest time between sweeps while jobs are open.
    pub max: Duration,
    /// A job without an end is alerted after this.
    pub late_after: Duration,
    /// After this, one look a day.
    pub give_up_after: Duration,
}

/// Section `[watch]`.
#[derive(Debug, Clone)]
pub struct WatchConfig {
    /// Quiet time after a file was closed, for accounts that name none.
    pub settle: Duration,
    /// Quiet time of a file whose writer seems to be interrupted, and the longest that `settle` grows to.
    pub settle_max: Duration,
    /// Quiet time of a file met by a scan alone.
    pub settle_unwatched: Duration,
    /// Time between scans.
    pub rescan: Duration,
    /// Events or polling.
    pub mode: WatchMode,
}

/// How folders are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum WatchMode {
    /// Events, but polling on network file systems.
    Auto,
    /// Events.
    Inotify,
    /// Scans alone.
    Poll,
}

/// Section `[log]`.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Where and how.
    pub format: LogFormat,
    /// A filter in the notation of `tracing`, such as `info` or `datadrop=debug`.
    pub level: String,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum LogFormat {
    /// Journald under systemd, text elsewhere.
    Auto,
    /// Lines for people, on standard error.
    Text,
    /// One JSON object a line, on standard error.
    Json,
    /// The journal's own socket, with fields.
    Journald,
}

/// Section `[keep]`. Zero is for ever.
#[derive(Debug, Clone)]
pub struct KeepConfig {
    /// Files of `success`.
    pub done: Duration,
    /// Rows of the job log.
    pub jobs: Duration,
}

/// Section `[status]`.
#[derive(Debug, Clone)]
pub struct StatusConfig {
    /// Address and port of the page; `None` is off.
    pub listen: Option<SocketAddr>,
    /// A file with the token that visitors must know; required for an address that is not loopback.
    pub token_file: Option<PathBuf>,
    /// A file with the token of those who may act on jobs; without it the page only looks.
    pub operator_token_file: Option<PathBuf>,
    /// Further names under which the page may be asked for, in lower case.
    pub hosts: Vec<String>,
    /// Asked as long as all is well; it often holds a key.
    pub heartbeat: Option<SecretString>,
    /// Time between two of these.
    pub heartbeat_every: Duration,
}

/// One `[[account]]`.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Letters, digits, `-`, `_`.
    pub name: String,
    /// The report suite.
    pub report_suite_id: String,
    /// The Data Sources account within it.
    pub data_source_id: i64,
    /// The watched folder; absolute.
    pub folder: PathBuf,
    /// `false`: nothing is sent or moved.
    pub enabled: bool,
    /// What becomes of markers.
    pub fin: FinMode,
    /// A data file waits for its marker.
    pub wait_for_fin: bool,
    /// What the file check may do.
    pub check: CheckMode,
    /// What counts as sent already.
    pub duplicates: Duplicates,
    /// Extensions of data files, without dot.
    pub extensions: Vec<String>,
    /// Names that are ignored whatever their extension.
    pub exclude: NamePatterns,
    /// Which due job starts first.
    pub order: Order,
    /// The next job starts when the one before it is accepted or ended.
    pub sequential: bool,
    /// The name under which files are sent.
    pub wire_name: WireName,
    /// Overrides `upload.style`; resolved, never absent.
    pub style: StyleChoice,
    /// Where its days begin; `None`: as in the report suite.
    pub time_zone: Option<TimeZone>,
    /// Data days per calendar day beyond which files wait.
    pub max_data_days: Option<u64>,
    /// Bytes at Adobe beyond which files wait.
    pub max_at_adobe: Option<u64>,
    /// `"2 by 06:00"`.
    pub expect: Option<Expect>,
    /// Which data days it reports; `None`: what has come tells, and nobody is alerted.
    pub expect_days: Option<ExpectDays>,
    /// Overrides `watch.settle`; resolved, never absent.
    pub settle: Duration,
}

impl AccountConfig {
    /// Where this account's files go.
    #[must_use]
    pub fn target(&self, api: &ApiConfig) -> Target {
        api.report_suite(&self.report_suite_id).account(self.data_source_id)
    }
}

/// `fin` of an account (DESIGN §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum FinMode {
    /// `upload` under PUT, `local` under POST.
    Auto,
    /// Sent as a job of its own.
    Upload,
    /// Only the completeness mark.
    Local,
    /// Made and sent after each data file that has none.
    Generate,
}

/// `check` of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum CheckMode {
    /// Not checked.
    Off,
    /// Findings are logged.
    Warn,
    /// Files that Adobe would fail are rejected.
    Reject,
}

/// `duplicates` of an account; data files only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Duplicates {
    /// Same name and content is held.
    Hold,
    /// Same content is held, whatever its name.
    HoldContent,
    /// The same, and a data day that another file covers with the same columns.
    HoldDays,
    /// Sent again.
    Allow,
}

/// `order` of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Order {
    /// By file name.
    Name,
    /// By the time it was queued.
    Arrival,
}

/// `wire_name` of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum WireName {
    /// The file's own name.
    Keep,
    /// Stem, `-`, eight hex digits: makes settling exact.
    Unique,
}

/// `expect` of an account: so many data files accepted since local midnight by that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// How many.
    pub files: u32,
    /// Minutes after local midnight.
    pub by_minute: u16,
}

/// `expect_days` of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectDays {
    /// Which data days are reported.
    pub pattern: DayPattern,
    /// How long after the end of a day a file of it must have been accepted.
    pub within: Duration,
}

/// The data days that an account reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum DayPattern {
    /// Every day.
    Daily,
    /// Monday to Friday.
    Weekdays,
}

/// One `[[alert]]`.
#[derive(Debug, Clone)]
pub struct AlertConfig {
    /// What it is about; never empty.
    pub on: Vec<AlertEvent>,
    /// Program and arguments; gets the alert on standard input.
    pub command: Option<Vec<String>>,
    /// URL; gets the same as a POST body. It often holds a key.
    pub webhook: Option<SecretString>,
    /// What they get.
    pub form: AlertForm,
    /// When a summary is sent, in minutes after midnight; if `on` has it.
    pub summary_at: Option<u16>,
}
