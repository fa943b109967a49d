use super::*;
use crate::emulator::chance::Random;

fn book(rules: &[&str]) -> FaultBook {
    FaultBook::new(rules.iter().map(|rule| rule.parse().unwrap()).collect(), Random::new(1))
}

fn problem(rule: &str) -> String {
    rule.parse::<FaultRule>().unwrap_err().to_string()
}

#[test]
fn every_form_of_the_grammar_is_read() {
    for rule in [
        "upload:after-commit:reset:p=0.1",
        "upload:before-body:reset",
        "upload:mid-body:reset:name=*.txt",
        "upload:after-body:reset",
        "upload:after-commit:hang:n=1",
        "upload:after-commit:503",
        "upload:after-commit:garbage",
        "upload:after-commit:truncated",
        "upload:after-commit:html",
        "upload:after-commit:no-id",
        "upload:before-body:refuse=413",
        "upload:before-body:401",
        "upload:before-body:429=7",
        "upload:429",
        "upload:gateway=503",
        "list:500:after=2:n=3",
        "list:late=30s",
        "job:late=300ms",
        "upload:slow=5s",
        "job:lost-rows=3:name=sales*",
        "job:extra-rows=1",
        "job:fail",
        "job:status=cache",
        "any:reset",
        "token:after-commit:hang",
        "account:404",
        "single:404",
        "discovery:429=1",
    ] {
        assert_eq!(rule.parse::<FaultRule>().unwrap().to_string(), rule);
    }
}

#[test]
fn errors_list_the_allowed_words() {
    for (rule, says) in [
        ("", "upload, list"),
        ("uploads:reset", "upload, list"),
        ("upload", "WHAT is missing"),
        ("upload:during:reset", "before-body, mid-body"),
        ("upload:after-commit:explode", "reset, hang"),
        ("upload:reset:often", "p=0.1, n=3"),
        ("upload:reset:p=2", "from 0 to 1"),
        ("upload:reset:n=x", "whole number"),
        ("upload:reset:name=[", "no pattern"),
        ("upload:200", "400 to 599"),
        ("upload:refuse=x", "400 to 599"),
        ("upload:429=soon", "whole number"),
        ("upload:slow=5", "no time"),
        ("upload:fail", "belong to job"),
        ("upload:late=5s", "list or job"),
        ("job:reset", "a job takes only"),
        ("job:after-commit:fail", "no WHEN"),
        ("list:mid-body:reset", "belongs to upload"),
        ("list:500:name=x", "name="),
    ] {
        let problem = problem(rule);
        assert!(problem.contains(says), "{rule}: {problem}");
        assert!(problem.contains(&format!("`{rule}`")), "{problem}");
    }
}

#[test]
fn a_rule_applies_in_its_place_at_its_time() {
    let mut book = book(&["upload:after-commit:reset"]);
    assert_eq!(book.decide(Place::List, When::AfterCommit, None), Decision::default());
    assert_eq!(book.decide(Place::Upload, When::BeforeBody, None), Decision::default());
    assert_eq!(book.decide(Place::Upload, When::AfterCommit, Some("a")).act, Some(Act::Reset));
}

#[test]
fn counts_are_kept_by_rule() {
    let mut book = book(&["list:500:after=2:n=2"]);
    let acts: Vec<bool> = (0..6).map(|_| book.decide(Place::List, When::BeforeBody, None).act.is_some()).collect();
    assert_eq!(acts, [false, false, true, true, false, false]);
    assert_eq!(book.applied().collect::<Vec<_>>(), [("list:500:after=2:n=2".to_owned(), 2)]);
}

#[test]
fn the_first_rule_that_applies_wins_and_delays_add_up() {
    let mut book = book(&["any:slow=1s", "list:after-commit:hang:n=1", "upload:slow=2s", "any:after-commit:reset"]);
    let upload = book.decide(Place::Upload, When::AfterCommit, Some("a"));
    assert_eq!((upload.delay, upload.act), (Duration::from_secs(3), Some(Act::Reset)));
    assert_eq!(book.decide(Place::List, When::AfterCommit, None).act, Some(Act::Hang));
    assert_eq!(book.decide(Place::List, When::AfterCommit, None).act, Some(Act::Reset));
}

#[test]
fn names_aim_at_single_files_as_soon_as_they_are_known() {
    let mut book = book(&["upload:before-body:reset:name=sales*"]);
    assert!(book.wants_early_name());
    assert!(book.decide(Place::Upload, When::BeforeBody, None).act.is_none());
    assert!(book.decide(Place::Upload, When::NameKnown, Some("cost.txt")).act.is_none());
    assert!(book.decide(Place::Upload, When::NameKnown, Some("sales.txt")).act.is_some());
}

#[test]
fn fates_add_up() {
    let mut book =
        book(&["job:lost-rows=3:n=1", "list:late=30s:name=a*", "job:fail:name=b*", "job:status=cache:name=c*"]);
    let first = book.fate("a.txt");
    assert_eq!((first.lost_rows, first.listed_after, first.fails), (3, Duration::from_secs(30), false));
    assert_eq!(book.fate("b.txt"), crate::emulator::JobFate { fails: true, ..Default::default() });
    assert_eq!(book.fate("c.txt").ends_as.as_deref(), Some("cache"));
}

#[test]
fn chance_follows_the_seed() {
    let draw = |seed| -> Vec<bool> {
        let mut book = FaultBook::new(vec!["any:reset:p=0.5".parse().unwrap()], Random::new(seed));
        (0..64).map(|_| book.decide(Place::List, When::BeforeBody, None).act.is_some()).collect()
    };
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5), draw(6));
}

#[test]
fn the_help_names_every_word() {
    for place in Place::VARIANTS {
        assert!(FaultRule::HELP.contains(place));
    }
}
