//! The content of each sample. Rules kept: Date first, tabs, MM/DD/YYYY, a dimension and a metric in every row.

use super::super::random::Random;
use jiff::civil::Date;
use std::io::{self, Write};

/// So many days back, as Adobe writes dates; yesterday is 1.
fn day(today: Date, back: u64) -> String {
    let span = jiff::Span::new().days(i64::try_from(back).unwrap_or(0));
    let date = today.saturating_sub(span);
    format!("{:02}/{:02}/{:04}", date.month(), date.day(), date.year())
}

/// `cents` as an amount.
fn amount(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

pub(super) fn call_centre(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(11);
    out.write_all(b"# calls and orders by call centre, one row a day\n")?;
    out.write_all(b"# Date\tCall centre\tCalls\tTalk minutes\tOrder value\n")?;
    out.write_all(b"Date\tEvar 12\tEvent 41\tEvent 42\tEvent 43\n")?;
    for back in (1..=14).rev() {
        let date = day(today, back);
        for centre in ["Lyon Part-Dieu", "Leipzig", "Porto", "Gda\u{144}sk"] {
            let calls = 40 + random.below(220);
            let minutes = calls * (3 + random.below(4));
            writeln!(out, "{date}\t{centre}\t{calls}\t{minutes}\t{}", amount(calls * (900 + random.below(1600))))?;
        }
    }
    Ok(())
}

pub(super) fn returns(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(12);
    out.write_all(b"Date\ttransactionID\tEvar 30\tProduct\tQuantity\tPrice\tEvent 51\n")?;
    let reasons = ["too small", "too large", "damaged", "changed mind", "late"];
    for number in 0..120u64 {
        let date = day(today, 1 + (119 - number) / 10);
        let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
        let reason = reasons[usize::try_from(random.below(5)).unwrap_or(0)];
        let (product, quantity) = (1000 + random.below(250), 1 + random.below(3));
        let price = amount(quantity * (990 + 100 * random.below(140)));
        writeln!(
            out,
            "{date}/{hour:02}/{minute:02}/{second:02}\tweb{}\t{reason}\tSKU-{product}\t{quantity}\t{price}\t1",
            881_000 + number
        )?;
    }
    Ok(())
}

pub(super) fn paid_search(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(13);
    out.write_all(b"date\ttracking code\tevent 1\tevent 2\tevent 3\r\n")?;
    for back in (1..=30).rev() {
        let date = day(today, back);
        for code in ["ppc|brand|de", "ppc|brand|fr", "ppc|generic|de", "ppc|generic|fr"] {
            let impressions = 4000 + random.below(22_000);
            let clicks = impressions / (18 + random.below(30));
            let cost = amount(clicks * (25 + random.below(60)));
            write!(out, "{date}/00/00/00\t{code}\t{impressions}\t{clicks}\t{cost}\r\n")?;
        }
    }
    Ok(())
}

/// Large enough to show that a file is streamed; 60 days.
pub(super) fn loyalty_points(out: &mut dyn Write, today: Date) -> io::Result<()> {
    const SIZE: usize = 20_000_000;
    let mut random = Random::new(14);
    let header = "Date\tEvar 7\tEvar 8\tEvent 20\tEvent 21\n";
    out.write_all(header.as_bytes())?;
    let days: Vec<String> = (1..=60).rev().map(|back| day(today, back)).collect();
    let tiers = ["bronze", "silver", "gold"];
    let mut written = header.len();
    let mut member = 0u64;
    let mut row = Vec::with_capacity(80);
    while written < SIZE {
        // Days in order: the share of the file that is written is the share of the days that have passed.
        let date = days.get(written * days.len() / SIZE).map_or("", String::as_str);
        let tier = tiers[usize::try_from(random.below(3)).unwrap_or(0)];
        let points = 1 + random.below(5000);
        row.clear();
        writeln!(row, "{date}\tmember-{member:07}\t{tier}\t{points}\t{}.{:02}", points / 20, points % 20 * 5)?;
        out.write_all(&row)?;
        written += row.len();
        member += 1;
    }
    Ok(())
}

pub(super) fn shop_visits(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(15);
    out.write_all(b"Date\tEvar 15\tEvar 16\tEvent 60\n")?;
    for back in (1..=10).rev() {
        let date = day(today, back);
        for shop in ["Harbour Street", "Old Market", "Station"] {
            // What a person types into a form now and then.
            let department = if back % 6 == 2 && shop == "Station" { "shoes;running" } else { "shoes" };
            writeln!(out, "{date}\t{shop}\t{department}\t{}", 80 + random.below(400))?;
        }
    }
    Ok(())
}

pub(super) fn newsletter(out: &mut dyn Write, today: Date) -> io::Result<()> {
    let mut random = Random::new(16);
    out.write_all(b"Date\tEvar 22\tEvent 70\tEvent 71\n")?;
    for back in (1..=12).rev() {
        let date = day(today, back);
        let sent = 9000 + random.below(3000);
        if back == 5 {
            // An export that lost a value.
            writeln!(out, "{date}\tweekly offers\t{sent}")?;
        } else {
            writeln!(out, "{date}\tweekly offers\t{sent}\t{}", sent / (9 + random.below(6)))?;
        }
    }
    Ok(())
}
