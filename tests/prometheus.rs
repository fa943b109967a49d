//! Compares the rules for Prometheus and the dashboard for Grafana with the daemon's metrics and the manual.

use crate::harness::{World, data, skipped, stderr, stdout};
use crate::page::{address, get};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const RULES: &str = "config/prometheus/datadrop.rules.yml";
const TESTS: &str = "config/prometheus/datadrop.rules.test.yml";
const DASHBOARD: &str = "config/grafana/datadrop.json";
/// The runbook that alerts link to. The package installs it.
const RUNBOOK: &str = "file:///usr/share/doc/datadrop/OPERATING.md#";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).unwrap()
}

/// Metrics by name, each with its labels and their values.
type Served = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The metrics in `text` of the form `datadrop_name` or `datadrop_name{matchers}`, each with its matchers.
fn metrics_in(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("datadrop_") {
        if text[..start].ends_with(is_of_a_name) {
            continue;
        }
        let rest = &text[start..];
        let end = rest.find(|c| !is_of_a_name(c)).unwrap_or(rest.len());
        let labels = rest[end..].strip_prefix('{').map_or("", |labels| labels.split('}').next().unwrap());
        let pairs = labels.split("\",").map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.trim_end_matches('!').to_owned(), value.trim_start_matches('~').trim_matches('"').to_owned())
        });
        found.push((rest[..end].to_owned(), pairs.collect()));
    }
    found
}

/// The metrics of a daemon that has seen each kind of end, and whose account expects days.
fn served() -> Served {
    let mut world = World::new();
    world.set("[watch]\n", "[status]\nlisten = \"127.0.0.1:0\"\n\n[watch]\n").api("rate_limit", "\"1000/1s\"");
    world.account("a", "expect_days = \"daily within 36h\"");
    let _daemon = world.start();
    world.fault("upload:refuse=400:name=refused*");
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    world.drop_file("a", "refused.txt", data(4));
    world.wait_for("refused.txt", "rejected");
    let answer = get(address(&world), "/metrics");
    assert_eq!(answer.status, 200);
    let mut served = Served::new();
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        for (name, labels) in metrics_in(line) {
            let known = served.entry(name).or_default();
            for (label, value) in labels {
                known.entry(label).or_default().insert(value);
            }
        }
    }
    served
}

/// All texts of the dashboard that name metrics or labels.
fn texts_of(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|value| texts_of(value, texts)),
        Value::Array(items) => items.iter().for_each(|value| texts_of(value, texts)),
        Value::String(text) => texts.push(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn rules_and_dashboard_name_metrics_and_labels_that_are_served() {
    let served = served();
    let labels: BTreeSet<&str> = served.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
    // Prometheus itself adds these.
    let of_prometheus = ["instance", "job"];
    let mut shown = Vec::new();
    texts_of(&dashboard(), &mut shown);
    let mut breaches = Vec::new();
    let mut named = BTreeSet::new();
    for (file, text) in [(RULES, read(RULES)), (TESTS, read(TESTS)), (DASHBOARD, shown.join("\n"))] {
        let found = metrics_in(&text);
        assert!(found.len() > 10, "{file} names metrics");
        for (metric, matchers) in found {
            let Some(known) = served.get(&metric) else {
                breaches.push(format!("{file}: {metric} is not served"));
                continue;
            };
            for (label, value) in matchers.iter().filter(|(label, _)| !of_prometheus.contains(&label.as_str())) {
                match known.get(label) {
                    None => breaches.push(format!("{file}: {metric} has no label {label}")),
                    Some(values) if label == "state" => {
                        let unknown = value.split('|').filter(|state| !values.contains(*state));
                        breaches.extend(unknown.map(|state| format!("{file}: {metric} has no state {state}")));
                    }
                    Some(_) => {}
                }
            }
            named.insert(metric);
        }
        // The labels that a legend shows, and those by which series are joined or summed.
        let shown = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
        let shown =
            shown.filter_map(|word| word.trim().split(' ').next()).map(|word| word.trim_start_matches("$labels."));
        let grouped = ["by (", "on ("].into_iter().flat_map(|before| text.split(before).skip(1));
        let grouped = grouped.filter_map(|rest| rest.split(')').next()).flat_map(|list| list.split(", "));
        for label in shown.chain(grouped) {
            let is_known = labels.contains(label) || of_prometheus.contains(&label) || label == "alertname";
            if !is_known && label != "$value" {
                breaches.push(format!("{file}: no metric has the label {label}"));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}\nserved: {served:#?}");
    let unused: Vec<_> = served.keys().filter(|name| !named.contains(*name)).collect();
    assert!(unused.is_empty(), "neither a rule nor the dashboard shows {unused:?}");
}

#[test]
fn each_alert_is_tested_and_leads_to_its_section() {
    let (rules, tests, manual) = (read(RULES), read(TESTS), read("systemd/OPERATING.md"));
    let manual = manual.split("\n## Alerts of Prometheus\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut sections: Vec<&str> = manual.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let mut names = Vec::new();
    for alert in rules.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap();
        for key in ["summary", "description", "severity"] {
            assert!(alert.contains(&format!(" {key}: ")), "{name} has a {key}");
        }
        let link = format!("runbook_url: {RUNBOOK}{}\n", name.to_lowercase());
        assert!(alert.contains(&link), "{name} leads to its section");
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{TESTS} tests {name}");
        names.push(name);
    }
    names.sort_unstable();
    sections.sort_unstable();
    assert_eq!(sections, names, "systemd/OPERATING.md has a section for each alert");
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    for arguments in [["check", "rules", RULES], ["test", "rules", TESTS]] {
        match Command::new("promtool").args(&arguments[..2]).arg(path(arguments[2])).output() {
            Ok(output) => {
                assert!(output.status.success(), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
            }
            Err(error) => skipped(&format!("the rules for Prometheus: promtool: {error}")),
        }
    }
}

#[test]
fn the_dashboard_has_one_data_source_and_panels_by_account() {
    let dashboard = dashboard();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let variables = list(&dashboard["templating"]["list"]);
    let sources: Vec<_> = variables.iter().filter(|variable| variable["type"] == "datasource").collect();
    assert_eq!(sources.len(), 1);
    assert!(variables.iter().any(|variable| variable["name"] == "account" && variable["multi"] == true));
    let manual = read("src/status/page/METRICS.md");
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard["panels"]) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "{title}: its id is another's");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title} is wider than the page");
        for place in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(places.insert(place), "{title} covers another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title} is explained");
        let targets = list(&panel["targets"]);
        assert!(!targets.is_empty(), "{title} shows something");
        for shown in targets.iter().chain([&panel]) {
            assert_eq!(shown["datasource"]["uid"], "${datasource}", "{title}");
        }
        for target in targets {
            for (metric, matchers) in metrics_in(target["expr"].as_str().unwrap()) {
                let chosen = |name: &str| matchers.contains(&(name.to_owned(), format!("${name}")));
                assert!(chosen("instance"), "{title}: {metric} is of the chosen instances");
                let is_of_accounts = manual.contains(&format!("`{metric}{{account"));
                assert_eq!(chosen("account"), is_of_accounts, "{title}: {metric} is of the chosen accounts");
            }
        }
    }
}

#[test]
fn the_package_has_rules_and_dashboard_among_its_examples() {
    let manifest = read("Cargo.toml");
    for file in [RULES, TESTS, DASHBOARD] {
        let asset = format!("[\"{file}\", \"usr/share/doc/datadrop/examples/\", \"644\"]");
        assert!(manifest.contains(&asset), "{file}");
    }
}
