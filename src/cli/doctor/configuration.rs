//! The configuration and its credential, as the daemon would have them.

use super::super::people::user_name;
use super::finding::{Finding, Verdict};
use super::judge::rights::{self, Person, READ};
use super::judge::unit::Unit;
use super::observations;
use crate::cli::failure::{Exit, Failure};
use crate::cli::settings::environment;
use crate::config::{self, Config, ConfigError, Credential};
use crate::job::Problem;
use std::fs;
use std::path::Path;

/// A configuration that is right, perhaps but for its secret.
pub(super) struct Read {
    pub(super) config: Config,
    /// What is wrong with the secret.
    error: Option<ConfigError>,
}

impl Read {
    /// # Errors
    /// All that is wrong, if more than the secret is.
    pub(super) fn open(file: &Path) -> Result<Self, Failure> {
        match config::load(Some(file), environment()) {
            Ok(config) => Ok(Self { config, error: None }),
            Err(error) => match config::load_without_secrets(Some(file), environment()) {
                Ok(config) => Ok(Self { config, error: Some(error) }),
                Err(_) => Err(Failure::new(Exit::Usage, error.to_string())),
            },
        }
    }

    /// Takes the file that systemd passes to the service where the configuration names no secret itself.
    pub(super) fn take_secret_of(&mut self, unit: &Unit) {
        let is_unnamed = self.secret_file().is_some_and(|file| file.as_os_str().is_empty());
        if is_unnamed && let Some(secret) = &unit.secret {
            self.config.api.credential = Credential::SecretFile(secret.clone());
            if fs::File::open(secret).is_ok() {
                self.error = None;
            }
        }
    }

    /// Whether there is something to ask the API with.
    pub(super) fn has_credential(&self) -> bool {
        self.error.is_none()
    }

    fn secret_file(&self) -> Option<&Path> {
        match &self.config.api.credential {
            Credential::SecretFile(file) | Credential::TokenFile(file) => Some(file),
            Credential::Secret(_) | Credential::Token(_) => None,
        }
    }

    /// The file itself, its warnings and the secret.
    pub(super) fn findings(&self, file: &Path, service: Option<&Person>, unit: Option<&Unit>) -> Vec<Finding> {
        let shown = file.display().to_string();
        let mut findings = vec![
            service
                .and_then(|person| rights::reach("configuration", &shown, person, &observations::way(file), READ))
                .unwrap_or_else(|| Finding::ok("configuration", &shown, "valid")),
        ];
        let secret = self.secret(service, unit);
        let about_secret = self.secret_file().map(|file| file.display().to_string()).unwrap_or_default();
        let is_told = |warning: &Problem| {
            !about_secret.is_empty()
                && warning.what.contains(&about_secret)
                && secret.iter().any(|found| found.verdict != Verdict::Ok)
        };
        findings.extend(
            self.config
                .warnings
                .iter()
                .filter(|warning| !is_told(warning))
                .map(|warning| Finding::of(Verdict::Warn, "configuration", &shown, warning.clone())),
        );
        findings.extend(secret);
        findings
    }

    fn secret(&self, service: Option<&Person>, unit: Option<&Unit>) -> Vec<Finding> {
        let Some(file) = self.secret_file() else {
            let what = "it stands in the configuration or a variable";
            return vec![Finding::ok("secret", "api", what)];
        };
        let shown = file.display().to_string();
        let metadata = fs::metadata(file);
        let is_passed = unit.and_then(|unit| unit.secret.as_deref()) == Some(file);
        if let Some(error) = &self.error {
            let way = observations::way(file);
            let is_anothers = service.is_some_and(|person| {
                person.uid != observations::me()
                    && !way.is_empty()
                    && rights::reach("secret", &shown, person, &way, READ).is_none()
            });
            if observations::me() != 0 && (is_anothers || is_passed) {
                let message = format!("`{}` may not read it, and the service gets it", user_name(observations::me()));
                let remedy = "to ask Adobe, run `sudo datadrop doctor`";
                return vec![Finding::bad(Verdict::Warn, "secret", shown, message, remedy)];
            }
            let fails = error.problems.iter().map(|problem| {
                let message = format!("{}: {}", problem.key, problem.message);
                let subject = if shown.is_empty() { &problem.source } else { &shown };
                Finding::bad(Verdict::Fail, "secret", subject, message, problem.remedy.clone())
            });
            return fails.collect();
        }
        match metadata {
            Ok(metadata) => {
                let owned = observations::owned(&metadata);
                let way = observations::way(file);
                let reader = service.map(|person| (person, &way));
                vec![rights::secret(&shown, owned, &user_name(owned.uid), reader, is_passed)]
            }
            Err(error) => vec![Finding::bad(
                Verdict::Fail,
                "secret",
                shown,
                format!("it cannot be looked at: {error}"),
                "let the service's user read it",
            )],
        }
    }
}
