//! The status address, requested as by a browser, Prometheus and a probe.

#![allow(clippy::float_cmp, reason = "the numbers compared are whole")]

use crate::harness::{Daemon, PATIENCE, World, connect_to_write, data, skipped, stdout};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

const TOKEN: &str = "0123456789abcdef0123";

/// A file name that tries to be markup. It cannot hold a slash.
pub const MARKUP: &str = "<script>alert(1)<b>&\"'.txt";

/// A world whose daemon serves the page on a free port.
fn world_with_page(keys: &str) -> World {
    let mut world = World::new();
    world.set("[watch]\n", &format!("[status]\nlisten = \"127.0.0.1:0\"\n{keys}\n[watch]\n"));
    world
}

/// The address of the page, from the log.
pub fn address(world: &World) -> SocketAddr {
    let mut address = None;
    world.wait("the page to be there", || {
        let log = world.log();
        let told = log.rsplit("the status page is at http://").next().filter(|rest| rest.len() < log.len());
        address = told.and_then(|rest| rest.split('/').next()?.parse::<SocketAddr>().ok());
        address.is_some()
    });
    let address = address.unwrap();
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// Sends one request on its own connection. Header lines end with `\r\n`.
pub fn ask(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers =
        lines.map(|line| line.split_once(": ").unwrap()).map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "host: localhost\r\n", "")
}

/// The body of an answer that must be 200.
#[track_caller]
fn body(address: SocketAddr, path: &str) -> String {
    let answer = get(address, path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.body
}

#[test]
fn a_person_sees_every_file_and_no_name_is_markup() {
    let world = world_with_page("");
    let _daemon = world.start();
    let address = address(&world);
    assert!(body(address, "/").contains("Nothing needs a person."));
    assert!(body(address, "/").contains("No file yet."));

    world.drop_file("a", MARKUP, data(3));
    world.drop_file("a", "売上.txt", data(4));
    world.wait_for("売上.txt", "success");
    let job = world.wait_for(MARKUP, "success");
    world.drop_file("a", MARKUP, data(3));
    world.wait_for(MARKUP, "held");

    let pages = ["/".to_owned(), "/jobs".to_owned(), "/jobs?name=%3Cscript".to_owned(), format!("/jobs/{}", job.id)];
    for path in &pages {
        let answer = get(address, path);
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("&lt;script&gt;alert(1)&lt;b&gt;&amp;&quot;'.txt"), "{path}: {}", answer.body);
        assert!(!answer.body.contains("<script>"), "{path}");
        assert!(!answer.body.contains(" style="), "{path}: the policy forbids it");
        let policy = &answer.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    }
    let overview = body(address, "/");
    let at = |text: &str| overview.find(text).unwrap_or_else(|| panic!("no {text:?} in {overview}"));
    assert!(at("Needs a person") < at("Accounts"), "what needs a person stands on top");
    assert!(overview.contains("2 in 30 days"), "the picture counts what ended: {overview}");
    let found = body(address, "/jobs?name=%E5%A3%B2");
    assert!(found.contains("売上.txt") && !found.contains("alert(1)"), "{found}");
    assert!(body(address, "/jobs?state=held").contains("1 job<"));
    assert!(body(address, "/jobs?name=nothing").contains("No job matches."));
    let life = body(address, &format!("/jobs/{}", job.id));
    for step in
        ["<b>seen</b>", "<b>ready</b>", "<b>started</b>", "<b>committing</b>", "<b>accepted</b>", "<b>succeeded</b>"]
    {
        assert!(life.contains(step), "{step}: {life}");
    }
    for file in ["/style.css", "/refresh.js", "/icon.svg"] {
        assert!(body(address, file).len() > 100, "{file}");
    }
}

#[test]
fn a_long_list_is_read_page_by_page_and_shows_each_job_once() {
    let world = world_with_page("");
    let daemon = world.start();
    assert_eq!(daemon.stop().code(), Some(0));
    let log = connect_to_write(&world.state_dir());
    log.execute_batch(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 120)
         INSERT INTO job (account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at)
         SELECT 'a', 'file ' || n || '.txt', CAST('x' AS BLOB), 'x', 'x', 'data', 'waiting', 'gone', 'gone', '/x', n FROM number;
         UPDATE job SET state = iif(id % 10 = 0, 'failure', 'success'), finished_at = id;",
    )
    .unwrap();
    drop(log);
    let _daemon = world.start();
    let address = address(&world);
    for (query, expected) in [("", 120), ("state=failure", 12), ("account=a", 120), ("name=file+1", 32)] {
        let (mut seen, mut next) = (BTreeSet::new(), Some(format!("/jobs?{query}")));
        while let Some(path) = next {
            let page = body(address, &path);
            for rest in page.split("class=\"name\" href=\"/jobs/").skip(1) {
                assert!(seen.insert(rest.split('"').next().unwrap().to_owned()), "{path} repeats a job");
            }
            next = page
                .split("<a href=\"")
                .find(|link| link.contains("rel=\"next\""))
                .map(|link| link.split('"').next().unwrap().replace("&amp;", "&"));
        }
        assert_eq!(seen.len(), expected, "{query}");
    }
    assert!(body(address, "/").contains("<span class=\"count\">108</span>"), "the counts are those of the whole log");
}

#[test]
fn programs_get_what_the_commands_print() {
    let world = world_with_page("");
    let _daemon = world.start();
    let address = address(&world);
    world.drop_file("a", "sales.txt", data(3));
    world.drop_file("a", "costs.txt", data(4));
    let job = world.wait_for("sales.txt", "success");
    world.wait_for("costs.txt", "success");
    let command = |arguments: &[&str]| stdout(&world.run(arguments));
    // A sweep may come between the two.
    world.wait("the status to be the same", || body(address, "/api/status") == command(&["status", "--json"]));
    world.wait("the jobs to be the same", || body(address, "/api/jobs") == command(&["jobs", "list", "--json"]));
    let (id, by_id) = (job.id.to_string(), format!("/api/jobs/{}", job.id));
    assert_eq!(body(address, &by_id), command(&["jobs", "show", &id, "--json"]));
    for (query, arguments) in [
        ("name=sales*", vec!["--name", "sales*"]),
        ("account=a&state=success&limit=1", vec!["--account", "a", "--state", "success", "--limit", "1"]),
        ("state=held", vec!["--state", "held"]),
        ("since=1h", vec!["--since", "1h"]),
    ] {
        let arguments: Vec<&str> = ["jobs", "list", "--json"].into_iter().chain(arguments).collect();
        assert_eq!(body(address, &format!("/api/jobs?{query}")), command(&arguments), "{query}");
    }
    let newer: serde_json::Value = serde_json::from_str(&body(address, "/api/jobs?before=2")).unwrap();
    assert_eq!(newer.as_array().unwrap().len(), 1);
}

/// A strict parser of the text format: help and type of each family come before its samples, and each sample comes
/// once.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut families = BTreeSet::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(words.ends_with('.'), "{line}");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            name.clone_into(&mut family);
            kind.clear();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, word) = rest.split_once(' ').unwrap();
            assert_eq!(name, family, "the type follows the help");
            assert!(["gauge", "counter", "histogram"].contains(&word), "{line}");
            assert_eq!(word == "counter", name.ends_with("_total"), "{line}");
            word.clone_into(&mut kind);
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let bare = name.split('{').next().unwrap();
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.iter().any(|suffix| bare == format!("{family}{suffix}")), "{line} is not of {family}");
            assert!(
                bare.starts_with("datadrop_") && bare.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{line}"
            );
            if let Some(labels) = name.strip_prefix(bare).unwrap().strip_prefix('{') {
                for label in labels.strip_suffix('}').unwrap().split("\",") {
                    let (label, value) = label.split_once("=\"").unwrap();
                    assert!(label.bytes().all(|b| b.is_ascii_lowercase()), "{line}");
                    assert!(!value.trim_end_matches('"').contains('"'), "{line}");
                }
            }
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} comes twice");
        }
    }
    samples
}

#[test]
fn prometheus_gets_the_figures_of_the_job_log_and_of_the_process() {
    let mut world = world_with_page("");
    world.api("rate_limit", "\"12/6s\"").account("b", "enabled = false");
    world.fault("job:lost-rows=3:name=short*");
    let _daemon = world.start();
    let address = address(&world);
    let before = parse(&body(address, "/metrics"));
    assert_eq!(before["datadrop_files{account=\"a\",state=\"success\"}"], 0.0);
    world.drop_file("a", "sales.txt", data(10));
    world.drop_file("a", "short.txt", data(20));
    world.wait_for("sales.txt", "success");
    world.wait_for("short.txt", "partial");
    let text = body(address, "/metrics");
    let after = parse(&text);
    let sent = i32::try_from(data(10).len() + data(20).len()).unwrap();
    for (sample, value) in [
        ("datadrop_files{account=\"a\",state=\"success\"}", 1.0),
        ("datadrop_files{account=\"a\",state=\"partial\"}", 1.0),
        ("datadrop_files{account=\"b\",state=\"success\"}", 0.0),
        ("datadrop_attempts_total{account=\"a\",outcome=\"accepted\"}", 2.0),
        ("datadrop_files_ended_total{account=\"a\"}", 2.0),
        ("datadrop_rows_sent_total{account=\"a\"}", 30.0),
        ("datadrop_rows_processed_total{account=\"a\"}", 27.0),
        ("datadrop_rows_lost_total{account=\"a\"}", 3.0),
        ("datadrop_bytes_sent_total{account=\"a\"}", f64::from(sent)),
        ("datadrop_account_blocked{account=\"a\"}", 0.0),
        ("datadrop_queue_age_seconds{account=\"a\"}", 0.0),
        ("datadrop_watcher_misses_total{account=\"a\"}", 0.0),
        ("datadrop_requests_limit", 12.0),
        ("datadrop_job_log_writable", 1.0),
    ] {
        assert_eq!(after.get(sample), Some(&value), "{sample} in\n{text}");
    }
    assert!(after["datadrop_requests_in_window"] <= 12.0);
    assert!(after["datadrop_sweep_age_seconds{account=\"a\"}"] < 60.0);
    assert!(after["datadrop_last_success_timestamp_seconds{account=\"a\"}"] > after["datadrop_start_time_seconds"]);
    let commits: Vec<f64> = after
        .iter()
        .filter(|(name, _)| name.starts_with("datadrop_commit_seconds_bucket"))
        .map(|(_, count)| *count)
        .collect();
    assert!(commits.iter().all(|count| *count <= after["datadrop_commit_seconds_count"]), "{text}");
    assert_eq!(after["datadrop_commit_seconds_bucket{le=\"+Inf\"}"], after["datadrop_commit_seconds_count"]);
    assert!(after["datadrop_commit_seconds_count"] > before["datadrop_commit_seconds_count"], "{text}");
    assert!(after["datadrop_commit_seconds_sum"] > 0.0);
}

#[test]
fn a_folder_that_is_gone_is_not_ready_and_the_process_lives() {
    let world = world_with_page("");
    let _daemon = world.start();
    let address = address(&world);
    assert_eq!(body(address, "/healthz"), "ok\n");
    assert_eq!(body(address, "/readyz"), "ready\n");
    let elsewhere = world.dir.path().join("elsewhere");
    fs::rename(world.folder("a"), &elsewhere).unwrap();
    world.wait_blocked("a");
    let answer = get(address, "/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.body.starts_with("not ready\naccount a is blocked: "), "{}", answer.body);
    assert_eq!(body(address, "/healthz"), "ok\n");
    let overview = body(address, "/");
    assert!(overview.contains("Needs a person") && overview.contains("the folder does not exist"), "{overview}");
    assert!(parse(&body(address, "/metrics"))["datadrop_account_blocked{account=\"a\"}"] > 0.0);
    fs::rename(elsewhere, world.folder("a")).unwrap();
    world.wait("the account to be ready again", || get(address, "/readyz").status == 200);
}

#[test]
fn other_names_other_methods_and_other_addresses_are_refused() {
    let world = world_with_page("hosts = [\"drop.example.com\"]");
    let _daemon = world.start();
    let address = address(&world);
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8611", "drop.example.com"] {
        assert_eq!(ask(address, "GET", "/", &format!("host: {host}\r\n"), "").status, 200, "{host}");
    }
    for headers in [
        "host: evil.example.com\r\n",
        "host: 192.0.2.1\r\n",
        "host: \r\n",
        "",
        "host: localhost\r\nhost: evil.example.com\r\n",
    ] {
        for path in ["/", "/metrics", "/api/status", "/healthz", "/nowhere"] {
            let answer = ask(address, "GET", path, headers, "");
            assert!([400, 421].contains(&answer.status), "{headers:?} {path}: {answer:?}");
            assert!(!answer.body.contains("datadrop_") && !answer.body.contains("\"a\""), "{answer:?}");
        }
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let answer = ask(address, method, "/api/jobs", "host: localhost\r\n", "");
        assert_eq!(
            (answer.status, answer.headers.get("allow").map(String::as_str)),
            (405, Some("GET, HEAD")),
            "{method}"
        );
    }
    let head = ask(address, "HEAD", "/", "host: localhost\r\n", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for (path, status) in [
        ("/nowhere", 404),
        ("/jobs/99", 404),
        ("/api/jobs/99", 404),
        ("/jobs/x", 404),
        ("/jobs?state=gone", 400),
        ("/../etc/passwd", 404),
    ] {
        let answer = get(address, path);
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.headers.contains_key("content-security-policy"), "{path}");
    }
    assert!(get(address, "/api/jobs?limit=none").body.starts_with("limit = \"none\": write a number"));
}

#[test]
fn beyond_loopback_only_the_token_opens() {
    let mut world = World::new();
    let token_file = world.dir.path().join("token");
    world.set("[watch]\n", &format!("[status]\nlisten = \"0.0.0.0:0\"\ntoken_file = {token_file:?}\n[watch]\n"));
    fs::write(&token_file, format!("{TOKEN}\n")).unwrap();
    fs::set_permissions(&token_file, fs::Permissions::from_mode(0o600)).unwrap();
    let _daemon = world.start();
    let address = address(&world);
    world.drop_file("a", "private.txt", data(1));
    world.wait_for("private.txt", "success");
    for path in ["/", "/jobs", "/jobs/1", "/metrics", "/api/status", "/api/jobs"] {
        for headers in ["", "authorization: Bearer 0123456789abcdef0124\r\n", "cookie: datadrop=1\r\n"] {
            let answer = ask(address, "GET", path, &format!("host: localhost\r\n{headers}"), "");
            assert_eq!(answer.status, 401, "{path} {headers}");
            assert!(!answer.body.contains("private") && answer.headers.contains_key("www-authenticate"), "{answer:?}");
        }
        let bearer = format!("host: 192.0.2.1\r\nauthorization: Bearer {TOKEN}\r\n");
        assert_eq!(ask(address, "GET", path, &bearer, "").status, 200, "{path}");
    }
    assert_eq!(body(address, "/healthz"), "ok\n");
    assert_eq!(body(address, "/readyz"), "ready\n");
    assert!(get(address, "/").body.contains("<form class=\"login\" method=\"post\" action=\"/login\">"));

    let form = "host: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let wrong = ask(address, "POST", "/login", form, "token=0123456789abcdef0124");
    assert!(wrong.status == 401 && wrong.body.contains("That was not the token"), "{wrong:?}");
    assert!(!wrong.headers.contains_key("set-cookie"));
    let right = ask(address, "POST", "/login", form, &format!("token={TOKEN}"));
    assert_eq!((right.status, right.headers["location"].as_str()), (303, "/"));
    let cookie = &right.headers["set-cookie"];
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains(TOKEN), "{cookie}");
    let headers = format!("host: localhost\r\ncookie: theme=1; {}\r\n", cookie.split(';').next().unwrap());
    assert!(ask(address, "GET", "/", &headers, "").body.contains("private.txt"));
    assert_eq!(ask(address, "POST", "/login", form, &"x".repeat(5_000)).status, 413);
    assert!(!world.log().contains(TOKEN));
}

#[test]
fn a_taken_address_is_reported_at_the_start_and_a_reload_keeps_the_old_one() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap();
    let mut world = World::new();
    world.set("[watch]\n", &format!("[status]\nlisten = \"{taken}\"\n[watch]\n"));
    let mut daemon = world.start_unready();
    assert_eq!(daemon.wait_exit().code(), Some(1));
    let log = world.log();
    assert!(
        log.contains(&format!("status.listen = \"{taken}\": the page cannot listen there: the address is in use")),
        "{log}"
    );

    let reload = |world: &World, daemon: &Daemon| {
        world.write_config();
        daemon.signal("HUP");
        daemon.wait_notified("RELOADING=1");
        daemon.wait_notified("READY=1")
    };
    world.set(&taken.to_string(), "127.0.0.1:0");
    let daemon = world.start();
    let first = address(&world);
    world.set("127.0.0.1:0", &taken.to_string());
    assert!(reload(&world, &daemon).contains("reload refused: status.listen"), "{}", world.log());
    assert_eq!(body(first, "/healthz"), "ok\n");
    drop(held);
    reload(&world, &daemon);
    assert_eq!(address(&world), taken);
    assert_eq!(body(taken, "/readyz"), "ready\n");
    world.wait("the old address to be free", || TcpStream::connect(first).is_err());
    world.set(&format!("listen = \"{taken}\""), "listen = \"off\"");
    reload(&world, &daemon);
    world.wait("the page to be gone", || TcpStream::connect(taken).is_err());
    assert_eq!(daemon.stop().code(), Some(0));
}

/// The browser of this machine, if one is installed.
pub fn browser() -> Option<String> {
    ["chromium", "chromium-browser", "google-chrome", "chrome"].into_iter().map(str::to_owned).find(|name| {
        let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    })
}

/// Loads a page in a headless browser. Returns its output, and its complaints.
pub fn look(world: &World, browser: &str, arguments: &[&str], url: &str) -> (String, Vec<String>) {
    let profile = tempfile::tempdir_in(world.dir.path()).unwrap();
    let (printed, complained) = (profile.path().join("printed"), profile.path().join("complained"));
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=3000"])
        .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&printed).unwrap())
        .stderr(fs::File::create(&complained).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + 2 * PATIENCE;
    let complaints = || fs::read_to_string(&complained).unwrap();
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser did not end: {}", complaints());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let console = complaints().lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    (fs::read_to_string(printed).unwrap(), console)
}

#[test]
fn a_real_browser_shows_the_page_and_finds_nothing_to_complain_of() {
    let Some(browser) = browser() else {
        skipped("no chromium on this machine, so no browser has looked at the page (apt-get install chromium)");
        return;
    };
    let world = world_with_page("");
    let _daemon = world.start();
    let address = address(&world);
    world.drop_file("a", MARKUP, data(3));
    let job = world.wait_for(MARKUP, "success");
    world.drop_file("a", MARKUP, data(3));
    world.wait_for(MARKUP, "held");
    for path in ["/".to_owned(), "/jobs?state=held".to_owned(), format!("/jobs/{}", job.id)] {
        let (dom, complaints) = look(&world, &browser, &["--dump-dom"], &format!("http://{address}{path}"));
        assert_eq!(complaints, Vec::<String>::new(), "{path}");
        assert!(dom.contains("&lt;script&gt;alert(1)&lt;b&gt;"), "{path}: {dom}");
        assert_eq!(dom.matches("<script").count(), 1, "{path}: only our own: {dom}");
    }
    let picture = |scheme: &str| {
        let file = world.dir.path().join(format!("{scheme}.png"));
        let (target, scheme) =
            (format!("--screenshot={}", file.display()), format!("--blink-settings=preferredColorScheme={scheme}"));
        look(&world, &browser, &["--window-size=800,600", &target, &scheme], &format!("http://{address}/"));
        fs::read(file).unwrap()
    };
    let (dark, light) = (picture("0"), picture("1"));
    assert!(dark.starts_with(b"\x89PNG") && light.starts_with(b"\x89PNG"));
    assert!(dark.len() > 10_000 && light.len() > 10_000, "something is on it");
    assert_ne!(dark, light, "the page follows the scheme of its reader");
}

#[test]
fn connections_that_are_silent_keep_nobody_out() {
    // Each of them may be silent for 10 s. If 64 were served at a time, the last would wait longer than the test does.
    const SILENT: usize = 300;
    let world = world_with_page("");
    let _daemon = world.start();
    let address = address(&world);
    let silent: Vec<TcpStream> = (0..SILENT).map(|_| TcpStream::connect(address).unwrap()).collect();
    body(address, "/");
    drop(silent);
}
