//! The configuration in the making, and how it is written down.

use crate::cli::args::InitArguments;
use crate::job::RemoteAccount;
use std::fmt::Write as _;
use std::path::Path;

/// What is known so far.
pub(super) struct Draft {
    pub(super) client_id: String,
    pub(super) company: String,
    pub(super) report_suite: String,
    pub(super) data_source_id: i64,
    pub(super) name: String,
    pub(super) folder: String,
    secret_file: String,
    /// Keys of `[api]` that differ from their defaults.
    others: Vec<(&'static str, String)>,
}

impl Draft {
    pub(super) fn new(arguments: &InitArguments, secret_file: &Path) -> Self {
        let others = [
            ("base_url", arguments.base_url.clone()),
            ("token_url", arguments.token_url.clone()),
            ("proxy", arguments.proxy.clone()),
            ("ca_file", arguments.ca_file.as_ref().map(|file| file.display().to_string())),
        ];
        Self {
            client_id: String::new(),
            // Something must stand there until it is known.
            company: "-".to_owned(),
            report_suite: String::new(),
            data_source_id: 0,
            name: String::new(),
            folder: String::new(),
            secret_file: secret_file.display().to_string(),
            others: others.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        }
    }

    /// `[api]` alone.
    pub(super) fn api_text(&self) -> String {
        let mut text = format!(
            "[api]\n# From the credential in the Adobe Developer Console (OAuth server-to-server).\n\
             global_company_id = {}\nclient_id = {}\n\
             # A file with only the client secret, for the service alone. It is read again at each renewal of the\n\
             # token, so a new secret needs no restart.\nclient_secret_file = {}\n",
            quoted(&self.company),
            quoted(&self.client_id),
            quoted(&self.secret_file),
        );
        for (key, value) in &self.others {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
        text
    }

    /// All of it.
    pub(super) fn text(&self) -> String {
        format!(
            "# datadrop's configuration. After a change: `systemctl reload datadrop`.\n\
             # Every other key has a default that fits most: default.toml in /usr/share/doc/datadrop/examples (config/ of the\n\
             # sources) names them all.\n\n\
             {}\n\
             # One Data Sources account and the folder that is watched for it. There can be several.\n\
             [[account]]\nname = {}\nreport_suite_id = {}\ndata_source_id = {}\n\
             # Producers must be able to write here, and the service must be able to rename files in it.\nfolder = {}\n\
             # Wait for NAME.fin before NAME.txt is sent:\n# wait_for_fin = true\n",
            self.api_text(),
            quoted(&self.name),
            quoted(&self.report_suite),
            self.data_source_id,
            quoted(&self.folder),
        )
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// A name that the configuration takes, after the one that the account has at Adobe.
pub(super) fn name_of(account: &RemoteAccount) -> String {
    let mut name = String::new();
    for char in account.name.as_deref().unwrap_or_default().chars() {
        if char.is_ascii_alphanumeric() {
            name.push(char.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { format!("account-{}", account.data_source_id) } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: Option<&str>) -> String {
        name_of(&RemoteAccount {
            data_source_id: 621,
            name: name.map(str::to_owned),
            email: None,
            account_type: None,
            ftp_hostname: None,
            ftp_username: None,
            ftp_password: None,
        })
    }

    #[test]
    fn a_name_is_made_of_what_the_configuration_takes() {
        assert_eq!(named(Some("Call centre (EU)")), "call-centre-eu");
        assert_eq!(named(Some("コール")), "account-621");
        assert_eq!(named(None), "account-621");
    }

    #[test]
    fn strings_are_quoted_so_that_toml_reads_them_back() {
        for text in ["plain", "a \"b\" \\c", "tab\there", "line\nbreak", "日本"] {
            let table: toml::Table = format!("key = {}", quoted(text)).parse().unwrap();
            assert_eq!(table["key"].as_str(), Some(text));
        }
    }
}
