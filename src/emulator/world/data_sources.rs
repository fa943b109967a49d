//! Data Sources accounts; their FTP members are invented, and lead nowhere.

use super::AccountKey;
use crate::emulator::random::Random;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// An account, spelled as the guide spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::emulator) struct Account {
    pub(in crate::emulator) name: String,
    pub(in crate::emulator) email: String,
    pub(in crate::emulator) data_source_id: i64,
    #[serde(rename = "type")]
    pub(in crate::emulator) kind: String,
    pub(in crate::emulator) ftp_hostname: String,
    pub(in crate::emulator) ftp_username: String,
    pub(in crate::emulator) ftp_password: String,
}

/// What may be said of a new account; the guide requires none of it.
#[derive(Debug, Default)]
pub(in crate::emulator) struct NewAccount {
    pub(in crate::emulator) name: Option<String>,
    pub(in crate::emulator) email: Option<String>,
    pub(in crate::emulator) kind: Option<String>,
}

/// The accounts of all report suites.
#[derive(Debug)]
pub(in crate::emulator) struct Accounts {
    known: BTreeMap<AccountKey, Account>,
    deleted: BTreeSet<AccountKey>,
    /// An account that nobody listed, made or deleted exists as soon as it is asked for.
    any: bool,
    random: Random,
}

impl Accounts {
    pub(super) fn new(listed: &[(String, i64)], random: Random) -> Self {
        let mut accounts = Self { known: BTreeMap::new(), deleted: BTreeSet::new(), any: listed.is_empty(), random };
        for (report_suite_id, data_source_id) in listed {
            accounts.invent(
                AccountKey { report_suite_id: report_suite_id.clone(), data_source_id: *data_source_id },
                NewAccount::default(),
            );
        }
        accounts
    }

    pub(in crate::emulator) fn exists(&self, key: &AccountKey) -> bool {
        self.known.contains_key(key) || (self.any && !self.deleted.contains(key))
    }

    pub(in crate::emulator) fn show(&mut self, key: &AccountKey) -> Option<Account> {
        if !self.exists(key) {
            return None;
        }
        match self.known.get(key) {
            Some(account) => Some(account.clone()),
            None => Some(self.invent(key.clone(), NewAccount::default())),
        }
    }

    pub(in crate::emulator) fn of_suite(&self, report_suite_id: &str) -> Vec<&Account> {
        self.known
            .iter()
            .filter(|(key, _)| key.report_suite_id == report_suite_id)
            .map(|(_, account)| account)
            .collect()
    }

    pub(in crate::emulator) fn create(&mut self, report_suite_id: &str, new: NewAccount) -> Account {
        // A number is never given twice, as jobs of a deleted account may still be asked for.
        let highest = self
            .known
            .keys()
            .chain(&self.deleted)
            .filter(|key| key.report_suite_id == report_suite_id)
            .map(|key| key.data_source_id)
            .max();
        let data_source_id = highest.map_or(1, |id| id.saturating_add(1));
        self.invent(AccountKey { report_suite_id: report_suite_id.to_owned(), data_source_id }, new)
    }

    /// `false`: there is no such account.
    pub(in crate::emulator) fn delete(&mut self, key: &AccountKey) -> bool {
        let existed = self.exists(key);
        self.known.remove(key);
        if existed {
            self.deleted.insert(key.clone());
        }
        existed
    }

    fn invent(&mut self, key: AccountKey, new: NewAccount) -> Account {
        let account = Account {
            name: new.name.unwrap_or_else(|| format!("Account {}", key.data_source_id)),
            email: new.email.unwrap_or_else(|| "noreply@example.com".to_owned()),
            data_source_id: key.data_source_id,
            kind: new.kind.unwrap_or_else(|| "generic".to_owned()),
            ftp_hostname: "ftp.example.com".to_owned(),
            ftp_username: format!("{}_{}", key.report_suite_id, key.data_source_id),
            ftp_password: format!("{:08x}", self.random.next() >> 32),
        };
        self.known.insert(key, account.clone());
        account
    }
}
