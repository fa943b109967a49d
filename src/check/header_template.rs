//! The header for files of a report suite: columns in Adobe's spelling, with the names that people gave them.

use super::code::Code;
use super::columns::{Role, column, general, number_in};
use super::header::{LONGEST_ROW, lacks, wrong};
use super::report::quoted;
use crate::job::{SuiteFacts, printable};
use std::collections::HashSet;

/// Maximum number of suggested names.
const NAMED: usize = 3;

/// A header, with descriptions of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderTemplate {
    columns: Vec<Choice>,
    /// Requested columns that Adobe does not list for the report suite.
    pub not_listed: Vec<String>,
}

/// A column that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    /// Adobe's name.
    name: String,
    /// The friendly name, if there is one.
    friendly: Option<String>,
}

/// A word that names no column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownColumn {
    /// The problem with the word.
    pub why: String,
    /// The most similar columns, the nearest first.
    pub near: Vec<String>,
}

impl Choice {
    /// `Evar 12` (Store)
    fn in_words(&self) -> String {
        let name = quoted(self.name.as_bytes());
        self.friendly.as_ref().map_or_else(|| name.clone(), |friendly| format!("{name} ({})", printable(friendly)))
    }

    fn is_called(&self, word: &str) -> bool {
        self.friendly.as_ref().is_some_and(|friendly| friendly.trim().to_lowercase() == word.to_lowercase())
    }
}

impl HeaderTemplate {
    /// Chooses columns by IDs (`event1`), by Adobe's names (`Evar 3`) or by friendly names. Each list holds words
    /// between commas, or is one friendly name with commas. Without a list, the header has every known column.
    ///
    /// # Errors
    ///
    /// Every word that names no column, with the most similar columns.
    pub fn new(suite: Option<&SuiteFacts>, lists: &[String]) -> Result<Self, Vec<UnknownColumn>> {
        let known = choices(suite);
        if lists.is_empty() {
            return Ok(Self { columns: known, not_listed: Vec::new() });
        }
        let (mut columns, mut not_listed, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        let mut chosen = HashSet::from(["Date".to_owned()]);
        let is_name = |list: &str| known.iter().any(|choice| choice.is_called(list.trim()));
        let words =
            lists.iter().flat_map(|list| if is_name(list) { vec![list.as_str()] } else { list.split(',').collect() });
        for word in words.map(str::trim).filter(|word| !word.is_empty()) {
            match resolve(word, &known) {
                Ok(choice) if choice.name == "Date" => {}
                Ok(choice) if !chosen.insert(choice.name.clone()) => {
                    let why = format!("{} is named twice", quoted(choice.name.as_bytes()));
                    unknown.push(UnknownColumn { why, near: Vec::new() });
                }
                Ok(choice) => {
                    if suite.is_some_and(|suite| lacks(suite, &column(&choice.name))) {
                        not_listed.push(choice.name.clone());
                    }
                    columns.push(choice);
                }
                Err(error) => unknown.push(error),
            }
        }
        if unknown.is_empty() { Ok(Self { columns, not_listed }) } else { Err(unknown) }
    }

    /// The comment with the friendly names. A column without one is named as in the header.
    #[must_use]
    pub fn comment(&self) -> String {
        let names = self.columns.iter().map(|choice| printable(choice.friendly.as_ref().unwrap_or(&choice.name)));
        format!("# Date{}", names.fold(String::new(), |text, name| text + "\t" + &name))
    }

    /// The header. The date comes first.
    #[must_use]
    pub fn header(&self) -> String {
        self.columns.iter().fold("Date".to_owned(), |text, choice| text + "\t" + &choice.name)
    }

    /// Returns whether the header has more bytes than Adobe takes in a row.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.header().len() as u64 > LONGEST_ROW
    }
}

/// Every known column except the date: general dimensions, eVars, general metrics, events.
fn choices(suite: Option<&SuiteFacts>) -> Vec<Choice> {
    let of_role = |is_metric: bool| {
        let general = general().filter(move |(_, role)| *role != Role::Date && role.is_metric() == is_metric);
        general.map(|(name, _)| Choice { name: name.to_owned(), friendly: None })
    };
    let named = |found: Vec<(&str, &str)>, of: &str| {
        let mut numbers: Vec<(u32, Choice)> = found
            .into_iter()
            .filter_map(|(id, friendly)| {
                let (number, name) = number_in(id, of)?;
                // If people gave it no name, Adobe repeats the identifier.
                let is_named = !friendly.trim().is_empty() && !friendly.eq_ignore_ascii_case(id);
                Some((number, Choice { name, friendly: is_named.then(|| friendly.to_owned()) }))
            })
            .collect();
        numbers.sort_by_key(|(number, _)| *number);
        numbers.dedup_by_key(|(number, _)| *number);
        numbers.into_iter().map(|(_, choice)| choice)
    };
    let dimensions = suite.and_then(|suite| suite.dimensions.as_ref()).into_iter().flatten();
    let metrics = suite.and_then(|suite| suite.metrics.as_ref()).into_iter().flatten();
    let evars = named(dimensions.map(|dimension| (dimension.id.as_str(), dimension.name.as_str())).collect(), "Evar");
    let events = named(metrics.map(|metric| (metric.id.as_str(), metric.name.as_str())).collect(), "Event");
    of_role(false).chain(evars).chain(of_role(true)).chain(events).collect()
}

fn resolve(word: &str, known: &[Choice]) -> Result<Choice, UnknownColumn> {
    let meant = column(word);
    if matches!(meant.breaks, None | Some(Code::ColumnSpacing)) {
        let friendly = known.iter().find(|choice| choice.name == meant.name).and_then(|choice| choice.friendly.clone());
        return Ok(Choice { name: meant.name, friendly });
    }
    let called: Vec<&Choice> = known.iter().filter(|choice| choice.is_called(word)).collect();
    match called.as_slice() {
        [choice] => Ok((*choice).clone()),
        [] => {
            let why = wrong(meant.breaks.unwrap_or(Code::ColumnUnknown), word.as_bytes());
            Err(UnknownColumn { why, near: near(word, meant.instead, known) })
        }
        [..] => {
            let columns = called.iter().map(|choice| choice.name.clone()).collect();
            Err(UnknownColumn {
                why: format!("{} is the name of several columns", quoted(word.as_bytes())),
                near: columns,
            })
        }
    }
}

/// The columns whose name, ID or friendly name is most similar to a word.
fn near(word: &str, instead: Option<String>, known: &[Choice]) -> Vec<String> {
    let lower: String = word.to_lowercase().chars().take(100).collect();
    let distance = |text: &str| {
        let text = text.to_lowercase();
        let distance = strsim::damerau_levenshtein(&lower, &text);
        let is_part = lower.chars().count() > 2 && text.contains(&lower);
        (distance * 3 <= text.chars().count() || is_part).then_some(distance)
    };
    let mut found: Vec<(usize, &Choice)> = known
        .iter()
        .filter_map(|choice| {
            let friendly = choice.friendly.as_deref().and_then(distance);
            Some((distance(&choice.name).into_iter().chain(friendly).min()?, choice))
        })
        .collect();
    found.sort_by_key(|(distance, _)| *distance);
    let mut near: Vec<String> = found.into_iter().map(|(_, choice)| choice.in_words()).collect();
    if let Some(instead) = instead {
        let instead = known
            .iter()
            .find(|choice| choice.name == instead)
            .map_or_else(|| quoted(instead.as_bytes()), Choice::in_words);
        near.retain(|other| *other != instead);
        near.insert(0, instead);
    }
    near.truncate(NAMED);
    near
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Dimension, Metric, MetricKind};

    fn suite() -> SuiteFacts {
        let metric =
            |id: &str, name: &str| Metric { id: id.to_owned(), name: name.to_owned(), kind: MetricKind::Other };
        let dimension = |id: &str, name: &str| Dimension { id: id.to_owned(), name: name.to_owned() };
        SuiteFacts {
            metrics: Some(vec![
                metric("event42", "Order value"),
                metric("event7", "Calls, all"),
                metric("event9", "event9"),
                metric("orders", "Orders"),
                metric("event1001", "None"),
                metric("visits", "Visits"),
            ]),
            dimensions: Some(vec![
                dimension("evar12", "Store"),
                dimension("EVAR3", "Region\tof store"),
                dimension("evar4", "store"),
                dimension("prop5", "Page"),
            ]),
            ..SuiteFacts::default()
        }
    }

    fn of(lists: &[&str]) -> Result<HeaderTemplate, Vec<UnknownColumn>> {
        let lists: Vec<String> = lists.iter().map(|list| (*list).to_owned()).collect();
        HeaderTemplate::new(Some(&suite()), &lists)
    }

    #[test]
    fn columns_are_chosen_by_id_by_adobes_name_and_by_friendly_name() {
        let template = of(&["event42, EVAR 3,trackingCode,date", "Calls, all", "evar12,event9"]).unwrap();
        assert_eq!(template.header(), "Date\tEvent 42\tEvar 3\tTracking Code\tEvent 7\tEvar 12\tEvent 9");
        assert_eq!(
            template.comment(),
            "# Date\tOrder value\tRegion\\tof store\tTracking Code\tCalls, all\tStore\tEvent 9"
        );
        assert!(template.not_listed.is_empty());
        assert_eq!(of(&["event5"]).unwrap().not_listed, ["Event 5"]);
    }

    #[test]
    fn without_a_list_it_has_all_columns_that_are_known() {
        let all = of(&[]).unwrap().header();
        assert!(
            all.starts_with("Date\tCategory\t") && all.ends_with("\tQuantity\tEvent 7\tEvent 9\tEvent 42"),
            "{all}"
        );
        assert!(all.contains("\tZip\tEvar 3\tEvar 4\tEvar 12\tCart Adds\t"), "{all}");
        let general = HeaderTemplate::new(None, &[]).unwrap();
        assert_eq!(
            (general.header().matches('\t').count(), general.comment()),
            (15, format!("# {}", general.header()))
        );
        assert!(!general.is_too_long());
    }

    #[test]
    fn a_word_that_names_no_column_leads_to_those_that_it_is_like() {
        let unknown =
            of(&["evra12", "Order vlaue", "event1001", "prop5", "Stroe", "Store", "event7,Event 7"]).unwrap_err();
        let told: Vec<String> =
            unknown.iter().map(|unknown| format!("{} -> {}", unknown.why, unknown.near.join(", "))).collect();
        assert_eq!(
            told,
            [
                "`evra12` is no column that Adobe knows -> `Evar 12` (Store)",
                "`Order vlaue` is no column that Adobe knows -> `Event 42` (Order value)",
                "there is no `event1001`, only `Evar 1` to `Evar 250` and `Event 1` to `Event 1000` -> ",
                "`prop5` is no column of Data Sources: Adobe supports no other dimensions or metrics -> ",
                "`Stroe` is no column that Adobe knows -> `Evar 4` (store), `Evar 12` (Store)",
                "`Store` is the name of several columns -> Evar 4, Evar 12",
                "`Event 7` is named twice -> ",
            ]
        );
    }
}
