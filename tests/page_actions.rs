//! What operators do on the page: only after a log-in, only what they were shown, only once, and by name.

use crate::harness::{Chromium, Daemon, PATIENCE, World, connect, connect_to_write, data, skipped, tagged};
use crate::page::{Answer, MARKUP, address, ask, browser, get};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const TOKEN: &str = "operators-0123456789abcdef";
const READ_TOKEN: &str = "readers-0123456789abcdef";

/// A world whose page takes operators. Their token lies outside of it, so that a search finds where else it is.
struct Desk {
    world: World,
    tokens: tempfile::TempDir,
}

fn write_token(file: &Path, token: &str) {
    fs::write(file, format!("{token}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn desk(keys: &str) -> Desk {
    let (mut world, tokens) = (World::new(), tempfile::tempdir().unwrap());
    let (operator, reader) = (tokens.path().join("operator"), tokens.path().join("reader"));
    write_token(&operator, TOKEN);
    write_token(&reader, READ_TOKEN);
    let keys = keys.replace("READER", reader.to_str().unwrap());
    let section = format!("[status]\nlisten = \"127.0.0.1:0\"\noperator_token_file = {operator:?}\n{keys}\n[watch]\n");
    world.set("[watch]\n", &section);
    Desk { world, tokens }
}

impl Desk {
    /// A file that is held as a duplicate of one that was delivered; its job.
    fn held(&self, name: &str) -> i64 {
        self.world.drop_file("a", name, tagged(name));
        self.world.wait_for(name, "success");
        self.world.drop_file("a", name, tagged(name));
        self.wait_filed(name, "held").0
    }

    /// The job, and its newest event, once its file is where its state says: no step of the daemon's is left.
    fn wait_filed(&self, name: &str, state: &str) -> (i64, i64) {
        let job = self.world.wait_for(name, state);
        let folder = self.world.folder("a").join(state);
        self.world.wait("the file to be filed", || {
            let job = self.world.jobs().into_iter().find(|row| row.id == job.id).unwrap();
            job.path.starts_with(folder.to_str().unwrap())
        });
        (job.id, job.id)
    }

    fn details(&self, job: i64) -> Vec<String> {
        let log = connect(&self.world.state_dir()).unwrap();
        let mut statement =
            log.prepare("SELECT detail FROM job_event WHERE job_id = ?1 AND detail IS NOT NULL ORDER BY id").unwrap();
        let rows = statement.query_map([job], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn state(&self, job: i64) -> String {
        self.world.jobs().into_iter().find(|row| row.id == job).unwrap().state
    }
}

/// A browser of an operator.
#[derive(Clone)]
struct Browser {
    address: SocketAddr,
    cookie: String,
}

/// Encodes a value of a form.
fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// The value of a hidden field.
#[track_caller]
fn field(page: &str, name: &str) -> String {
    let start = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let Some(at) = page.find(&start) else { panic!("no field {name} in {page}") };
    page[at + start.len()..].split('"').next().unwrap().to_owned()
}

/// What a browser sends with a form.
fn headers(address: SocketAddr) -> String {
    format!(
        "host: {address}\r\norigin: http://{address}\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\n"
    )
}

fn log_in(address: SocketAddr, name: &str, token: &str) -> Answer {
    let body = format!("name={}&token={}&to=%2Fjobs", encoded(name), encoded(token));
    ask(address, "POST", "/operator", &headers(address), &body)
}

impl Browser {
    fn of(address: SocketAddr, name: &str) -> Self {
        let answer = log_in(address, name, TOKEN);
        assert_eq!((answer.status, answer.headers["location"].as_str()), (303, "/jobs"), "{answer:?}");
        let cookie = &answer.headers["set-cookie"];
        assert!(cookie.ends_with("; Max-Age=1800; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
        assert!(!cookie.contains(TOKEN), "{cookie}");
        Self { address, cookie: format!("cookie: {}\r\n", cookie.split(';').next().unwrap()) }
    }

    fn get(&self, path: &str) -> Answer {
        ask(self.address, "GET", path, &format!("host: {}\r\n{}", self.address, self.cookie), "")
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        ask(self.address, "POST", path, &format!("{}{}", headers(self.address), self.cookie), body)
    }

    /// The form of a preview, as it is sent.
    #[track_caller]
    fn form(&self, path: &str) -> String {
        let page = self.get(path);
        assert_eq!(page.status, 200, "{page:?}");
        format!("form={}&plan={}", field(&page.body, "form"), field(&page.body, "plan"))
    }

    /// Looks at what would be done, and has it done.
    #[track_caller]
    fn act(&self, path: &str) -> String {
        let answer = self.post("/act/confirm", &self.form(path));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}

fn started(desk: &Desk) -> (Daemon, SocketAddr) {
    let daemon = desk.world.start();
    let address = address(&desk.world);
    (daemon, address)
}

#[test]
fn without_the_key_the_page_only_looks() {
    let mut world = World::new();
    world.set("[watch]\n", "[status]\nlisten = \"127.0.0.1:0\"\n[watch]\n");
    let _daemon = world.start();
    let address = address(&world);
    world.drop_file("a", "sales.txt", data(1));
    world.wait_for("sales.txt", "success");
    world.drop_file("a", "sales.txt", data(1));
    let held = world.wait_for("sales.txt", "held").id;
    for path in ["/operator", "/act?verb=release&job=2", "/act/confirm", "/logout"] {
        assert_eq!(get(address, path).status, 404, "{path}");
        assert_eq!(ask(address, "POST", path, &headers(address), "").status, 404, "{path}");
    }
    let page = get(address, &format!("/jobs/{held}")).body;
    assert!(!page.contains("/act") && !page.contains("/operator") && page.contains("This page only looks"), "{page}");
    let command = format!("jobs release {held}\" size=");
    assert!(page.contains("<input readonly value=\"datadrop --config ") && page.contains(&command), "{page}");
    assert!(!get(address, "/jobs?state=held").body.contains("/act"));
}

#[test]
fn an_operator_does_what_was_shown_and_the_history_says_who_and_from_where() {
    let mut desk = desk("");
    desk.world.account("a", "fin = \"upload\"");
    let (_daemon, address) = started(&desk);
    let job = desk.held(MARKUP);
    let guest = get(address, &format!("/jobs/{job}"));
    let action = format!("href=\"/act?verb=release&amp;job={job}\"");
    assert!(guest.body.contains(&action) && guest.body.contains("Log in to act on jobs"), "{}", guest.body);
    let sent = get(address, &format!("/act?verb=release&job={job}"));
    let log_in_page = format!("/operator?to=%2Fact%3Fverb%3Drelease%26job%3D{job}");
    assert_eq!((sent.status, sent.headers["location"].as_str()), (303, log_in_page.as_str()));
    let shown = get(address, &log_in_page).body;
    assert_eq!(field(&shown, "to"), format!("/act?verb=release&amp;job={job}"));

    let anna = Browser::of(address, "anna");
    let page = anna.get(&format!("/act?verb=release&job={job}")).body;
    assert!(page.contains("is held, would be released") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script>") && !page.contains("id=\"live\""), "{page}");
    assert_eq!(desk.state(job), "held", "to look does nothing");
    let done = anna.act(&format!("/act?verb=release&job={job}"));
    assert!(done.contains("<h1>Release: 1 done</h1>") && done.contains("was held, is queued"), "{done}");
    desk.world.wait_for(MARKUP, "success");
    assert!(desk.details(job).contains(&"released by anna from 127.0.0.1 on the page".to_owned()));

    // A marker without its data file waits until a person decides.
    desk.world.drop_file("a", "alone.fin", "");
    let marker = desk.world.wait_for("alone.fin", "waiting").id;
    assert!(anna.get(&format!("/jobs/{marker}")).body.contains("/act?verb=hold&amp;job="));
    anna.act(&format!("/act?verb=hold&job={marker}"));
    assert_eq!(desk.wait_filed("alone.fin", "held").0, marker);
    let held = anna.get(&format!("/jobs/{marker}")).body;
    assert!(held.contains("put on hold by anna from 127.0.0.1 on the page"), "{held}");
    assert!(held.contains("anna</span>") && held.contains("Log out"), "{held}");
    anna.act(&format!("/act?verb=cancel&job={marker}"));
    desk.world.wait_for("alone.fin", "cancelled");
    assert!(desk.details(marker).contains(&"cancelled by anna from 127.0.0.1 on the page".to_owned()));

    desk.world.fault("job:fail:n=1:name=bad.txt");
    desk.world.drop_file("a", "bad.txt", data(3));
    desk.world.wait_for("bad.txt", "failure");
    let failed = desk.world.jobs().into_iter().rfind(|row| row.file_name == "bad.txt").unwrap().id;
    desk.world.wait("it to be filed", || desk.world.folder("a").join("failed/bad.txt").exists());
    desk.world.wait("it to be recorded", || desk.world.count("file_name = 'bad.txt' AND path LIKE '%/failed/%'") == 1);
    let again = anna.act(&format!("/act?verb=retry&job={failed}"));
    let new = desk.world.wait_for("bad.txt", "success").id;
    assert!(again.contains(&format!("is sent again as job {new}")), "{again}");
    assert!(desk.details(failed).contains(&format!("sent again by anna from 127.0.0.1 on the page as job {new}")));
    // What the state does not allow is neither offered nor done.
    let page = anna.get(&format!("/jobs/{new}")).body;
    assert!(!page.contains("/act?"), "{page}");
    let refused = anna.get(&format!("/act?verb=cancel&job={new}")).body;
    assert!(refused.contains("the job has ended as success") && !refused.contains("/act/confirm"), "{refused}");
    let value = anna.cookie.trim_end().split('=').nth(1).unwrap();
    desk.world.assert_keeps(&[TOKEN, value]);
}

#[test]
fn all_that_match_a_filter_are_acted_on_and_the_filter_stays() {
    let desk = desk("");
    let (_daemon, address) = started(&desk);
    let jobs = ["one.txt", "two.txt", MARKUP].map(|name| desk.held(name));
    let other = desk.held("other-4.csv.txt");
    let anna = Browser::of(address, "anna");
    assert!(!anna.get("/jobs").body.contains("/act?"), "all jobs are no filter");
    let list = anna.get("/jobs?state=held&account=a&since=1h&limit=20").body;
    assert!(
        list.contains("href=\"/act?account=a&amp;state=held&amp;since=1h&amp;limit=20&amp;verb=cancel\""),
        "{list}"
    );
    let whole = anna.get("/act?account=a&state=held&since=1h&verb=cancel").body;
    assert!(
        whole.contains("Cancel 4 jobs?") && whole.contains("jobs cancel --state held --account a --since 1h"),
        "{whole}"
    );
    assert!(whole.contains("href=\"/jobs?account=a&amp;state=held&amp;since=1h\""), "{whole}");
    for (number, name) in [("one", "one.txt"), ("two", "two.txt"), ("markup", "script")] {
        let page = anna.get(&format!("/act?verb=cancel&state=held&name={name}")).body;
        assert!(page.contains("Cancel job "), "{number}: {page}");
    }
    assert_eq!(anna.get("/act?verb=cancel").status, 400);
    desk.world.run(&["jobs", "cancel", &other.to_string()]);
    let done = anna.act("/act?account=a&state=held&since=1h&verb=cancel");
    assert!(done.contains("<h1>Cancel: 3 done</h1>") && !done.contains("<script>"), "{done}");
    assert!(done.contains("href=\"/jobs?account=a&amp;state=held&amp;since=1h\""), "the filter stays: {done}");
    for job in jobs {
        assert_eq!(desk.state(job), "cancelled");
        assert!(desk.details(job).contains(&"cancelled by anna from 127.0.0.1 on the page".to_owned()));
    }
}

/// Cookies, forms, redirects and the policy of the page are those that a browser makes of them.
#[test]
fn an_operator_acts_in_a_real_browser_and_the_filter_stays() {
    let Some(browser) = browser() else {
        skipped("no chromium on this machine, so no browser has acted on jobs (apt-get install chromium)");
        return;
    };
    let desk = desk("");
    let (_daemon, address) = started(&desk);
    desk.world.fault("job:fail:n=2");
    for name in ["bad.txt", "worse.txt"] {
        desk.world.drop_file("a", name, tagged(name));
        desk.world.wait_for(name, "failure");
    }
    desk.world.wait("both to be filed", || desk.world.count("path LIKE '%/failed/%'") == 2);
    let mut tab = Chromium::start(&browser, desk.tokens.path());
    tab.open(&format!("http://{address}/jobs"));
    tab.click("a[href^='/operator']");
    tab.write("#token", "not-the-token-0123456789");
    tab.write("#name", "anna");
    tab.click("form.operator button");
    tab.wait("document.body.textContent.includes('That was not the token')");
    tab.write("#token", TOKEN);
    tab.click("form.operator button");
    tab.wait("document.body.textContent.includes('Log out')");
    assert_eq!(tab.value("document.cookie"), "", "no script reads the cookie");
    tab.click("nav a[href='/jobs']");

    tab.write("form.search #name", "bad");
    tab.write("form.search #state", "failure");
    tab.click("form.search button");
    tab.click("a.act[href*='name=bad'][href*='verb=retry']");
    tab.wait("document.querySelector('h1').textContent.startsWith('Retry job ')");
    tab.click("form.confirm button");
    tab.wait("document.querySelector('h1').textContent === 'Retry: 1 done'");
    desk.world.wait_for("bad.txt", "success");
    tab.click("main a[href^='/jobs?']");
    tab.wait("document.querySelector('form.search #name')?.value === 'bad'");
    assert_eq!(tab.value("document.querySelector('form.search #state').value"), "failure");
    assert!(desk.details(1).iter().any(|detail| detail.starts_with("sent again by anna from 127.0.0.1 on the page")));
    assert_eq!(desk.state(2), "failure", "what the filter does not name");
    // The wrong token was answered with 401, which a browser mentions.
    tab.complaints.retain(|complaint| !complaint.contains("status of 401"));
    assert_eq!(tab.complaints, Vec::<String>::new());
}

#[test]
fn a_form_that_is_forged_replayed_or_old_does_nothing() {
    let desk = desk("hosts = [\"drop.example.com\"]");
    let (daemon, address) = started(&desk);
    let job = desk.held("sales.txt");
    let (anna, bob) = (Browser::of(address, "anna"), Browser::of(address, "bob"));
    let path = format!("/act?verb=cancel&job={job}");
    let good = anna.form(&path);
    let send = |headers: &str, body: &str| ask(address, "POST", "/act/confirm", headers, body);
    let (own, host) = (&anna.cookie, format!("host: {address}\r\n"));
    let origin = format!("origin: http://{address}\r\n");
    for (what, headers) in [
        ("no origin", format!("{host}{own}")),
        ("another site", format!("{host}{own}origin: http://evil.example.com\r\n")),
        ("another port", format!("{host}{own}origin: http://127.0.0.1:1\r\n")),
        ("a page without origin", format!("{host}{own}origin: null\r\n")),
        ("two origins", format!("{host}{own}{origin}origin: http://evil.example.com\r\n")),
        ("a site beside", format!("{host}{own}{origin}sec-fetch-site: same-site\r\n")),
        ("nobody", format!("{host}{origin}")),
        ("somebody else", format!("{host}{origin}{}", bob.cookie)),
        ("a made up cookie", format!("{host}{origin}cookie: {}\r\n", "datadrop_1_operator=0")),
    ] {
        let answer = send(&headers, &good);
        assert!(answer.status == 403 && answer.body.contains("Nothing was done"), "{what}: {answer:?}");
    }
    let rebound = send(&format!("host: evil.example.com\r\n{own}origin: http://evil.example.com\r\n"), &good);
    assert_eq!(rebound.status, 421);
    let plan = good.split('&').nth(1).unwrap().to_owned();
    for (what, body, status) in [
        ("no form token", plan.clone(), 403),
        ("another's form token", format!("form={}&{plan}", field(&bob.get(&path).body, "form")), 403),
        ("two form tokens", format!("form=x&{good}"), 403),
        (
            "another's plan",
            bob.form(&path).replace(&field(&bob.get(&path).body, "form"), &field(&anna.get(&path).body, "form")),
            409,
        ),
        ("no plan", good.split('&').next().unwrap().to_owned(), 409),
        ("garbage", "%%%=&&&==\0".to_owned(), 403),
        ("too long", format!("{good}&x={}", "x".repeat(5_000)), 413),
    ] {
        let answer = anna.post("/act/confirm", &body);
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    for method in ["GET", "HEAD", "PUT"] {
        let answer = ask(address, method, "/act/confirm", &format!("{host}{own}"), "");
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"), "{method}");
    }
    assert_eq!(desk.state(job), "held", "nothing was done so far");

    // Once, and not again: not even where the job is as it was.
    assert!(anna.post("/act/confirm", &good).body.contains("Cancel: 1 done"));
    let replayed = anna.post("/act/confirm", &good);
    assert!(replayed.status == 409 && replayed.body.contains("Nothing was done"), "{replayed:?}");

    // A proxy with TLS that asks for another host.
    let second = desk.held("costs.txt");
    let proxied = format!("{host}{own}origin: https://drop.example.com\r\n");
    assert_eq!(send(&proxied, &anna.form(&format!("/act?verb=cancel&job={second}"))).status, 200);
    assert_eq!(desk.state(second), "cancelled");

    // A log-out, another token and a restart end a session.
    let third = desk.held("third.txt");
    let path = format!("/act?verb=cancel&job={third}");
    let form = bob.form(&path);
    assert_eq!(bob.post("/logout", &form).status, 303);
    let ended = bob.post("/act/confirm", &form);
    assert!(ended.status == 403 && ended.body.contains("Your log-in has ended"), "{ended:?}");
    let form = anna.form(&path);
    write_token(&desk.tokens.path().join("operator"), "another-0123456789abcdef");
    daemon.signal("HUP");
    daemon.wait_notified("RELOADING=1");
    daemon.wait_notified("READY=1");
    assert_eq!(anna.post("/act/confirm", &form).status, 403);
    assert_eq!(log_in(address, "anna", TOKEN).status, 401, "the old token");
    write_token(&desk.tokens.path().join("operator"), TOKEN);
    daemon.stop();
    let (_daemon, address) = started(&desk);
    let anna = Browser { address, ..anna };
    assert_eq!(anna.post("/act/confirm", &form).status, 403);
    assert_eq!(desk.state(third), "held");
}

#[test]
fn a_job_that_changed_after_the_look_is_reported_and_left_as_it_is() {
    let desk = desk("");
    let (_daemon, address) = started(&desk);
    let (first, second) = (desk.held("first.txt"), desk.held("second.txt"));
    let anna = Browser::of(address, "anna");
    let form = anna.form("/act?verb=cancel&state=held");
    let job = first.to_string();
    assert!(desk.world.run(&["jobs", "release", &job]).status.success());
    desk.world.wait_for("first.txt", "success");
    let answer = anna.post("/act/confirm", &form);
    assert!(answer.body.contains("<h1>Cancel: 1 done, 1 not done</h1>"), "{answer:?}");
    assert!(answer.body.contains("the job has ended as success"), "{answer:?}");
    assert_eq!((desk.state(first), desk.state(second)), ("success".to_owned(), "cancelled".to_owned()));

    // It is held again, but for another reason than the one that was looked at.
    let third = desk.held("third.txt");
    let form = anna.form(&format!("/act?verb=release&job={third}"));
    let log = connect_to_write(&desk.world.state_dir());
    log.busy_timeout(PATIENCE).unwrap();
    log.execute(
        "INSERT INTO job_event (job_id, at, event, from_state, to_state) VALUES (?1, '2026-11-23T00:00:00.000Z', 'held', 'held', 'held')",
        [third],
    )
    .unwrap();
    drop(log);
    let answer = anna.post("/act/confirm", &form);
    assert!(answer.body.contains("it has changed since you looked, and is held now"), "{answer:?}");
    assert_eq!(desk.state(third), "held");
}

#[test]
fn of_two_operators_at_once_one_is_first_and_the_other_is_told() {
    let desk = desk("");
    let (_daemon, address) = started(&desk);
    let (anna, bob) = (Browser::of(address, "anna"), Browser::of(address, "bob"));
    for name in ["one.txt", "two.txt", "three.txt"] {
        let job = desk.held(name);
        let forms = [
            (anna.clone(), anna.form(&format!("/act?verb=release&job={job}"))),
            (bob.clone(), bob.form(&format!("/act?verb=cancel&job={job}"))),
        ];
        let pages: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                forms.iter().map(|(who, form)| scope.spawn(|| who.post("/act/confirm", form).body)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let done = pages.iter().filter(|page| page.contains(": 1 done</h1>")).count();
        let told = pages.iter().filter(|page| page.contains(": 0 done, 1 not done</h1>")).count();
        assert_eq!((done, told), (1, 1), "{pages:?}");
        desk.world.wait_for_end(name);
        let by_page = desk.details(job).iter().filter(|detail| detail.contains("on the page")).count();
        assert_eq!(by_page, 1, "{:?}", desk.details(job));
    }
}

#[test]
fn a_hundred_thousand_matches_are_counted_and_left_to_the_command() {
    let mut desk = desk("");
    desk.world.account("b", "enabled = false");
    let (daemon, _) = started(&desk);
    daemon.stop();
    let log = connect_to_write(&desk.world.state_dir());
    log.execute_batch(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100000)
         INSERT INTO job (account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at)
         SELECT 'b', 'file ' || n || '.txt', CAST('x' AS BLOB), 'x', 'x', 'data', 'held', 'held', 'held', '/x', n FROM number;",
    )
    .unwrap();
    drop(log);
    let (_daemon, address) = started(&desk);
    let anna = Browser::of(address, "anna");
    let page = anna.get("/act?verb=cancel&account=b").body;
    assert!(page.contains("100,000 jobs match") && page.contains("at most 500 at once"), "{page}");
    assert!(page.contains("jobs cancel --account b\" size="), "{page}");
    assert!(!page.contains("/act/confirm") && page.len() < 20_000, "{page}");
    let found = anna.get("/act?verb=cancel&account=b&search=file").body;
    assert!(!found.contains("name=\"plan\"") || found.contains("Cancel"), "{found}");
    let fewer = anna.get("/act?verb=cancel&account=b&name=file+9999").body;
    assert!(fewer.contains("Cancel 11 jobs?"), "{fewer}");
}

#[test]
fn log_ins_are_few_and_slow_and_a_name_is_needed() {
    let desk = desk("token_file = \"READER\"");
    let (_daemon, address) = started(&desk);
    for (name, token, status) in [
        ("", TOKEN, 400),
        ("anna b", TOKEN, 400),
        ("<script>", TOKEN, 400),
        ("anna", "", 401),
        ("anna", READ_TOKEN, 401),
    ] {
        let answer = log_in(address, name, token);
        assert_eq!(answer.status, status, "{name} {token}");
        assert!(!answer.headers.contains_key("set-cookie") && !answer.body.contains(TOKEN), "{answer:?}");
        assert!(!answer.body.contains("<script>"), "{answer:?}");
    }
    let form = "name=anna&token=x";
    assert_eq!(ask(address, "POST", "/operator", &format!("host: {address}\r\n"), form).status, 403, "no origin");
    assert_eq!(ask(address, "POST", "/operator", &headers(address), &"x".repeat(5_000)).status, 413);
    // An operator may look too, and the read token does not let anybody act.
    let anna = Browser::of(address, "anna");
    assert_eq!((anna.get("/jobs").status, anna.get("/api/jobs").status, get(address, "/jobs").status), (200, 200, 401));
    let reader = format!("host: {address}\r\nauthorization: Bearer {READ_TOKEN}\r\n");
    assert!(ask(address, "GET", "/jobs", &reader, "").body.contains("Log in to act on jobs"));
    assert_eq!(ask(address, "GET", "/act?verb=hold&job=1", &reader, "").status, 303);
    let bearer = format!("host: {address}\r\nauthorization: Bearer {TOKEN}\r\n");
    assert_eq!(ask(address, "GET", "/jobs", &bearer, "").status, 401, "the operators' token opens by log-in alone");

    for _ in 0..3 {
        assert_eq!(log_in(address, "anna", "wrong-0123456789abcdef").status, 401);
    }
    let late = log_in(address, "anna", TOKEN);
    assert!(late.status == 429 && late.body.contains("Too many wrong log-ins"), "even the right one: {late:?}");
    let wait: u64 = late.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(anna.get("/jobs").status, 200, "who is logged in stays so");
    let log = desk.world.log();
    assert!(log.contains("anna logged in on the page") && log.contains("wrong token"), "{log}");
    desk.world.assert_keeps(&[TOKEN, READ_TOKEN]);
}

/// P7: who is logged out by those who came later is told why.
#[test]
fn the_oldest_of_many_log_ins_ends_and_its_operator_is_told_why() {
    let desk = desk("");
    let (_daemon, address) = started(&desk);
    let job = desk.held("sales.txt");
    let anna = Browser::of(address, "anna");
    let form = anna.form(&format!("/act?verb=release&job={job}"));
    for _ in 0..32 {
        Browser::of(address, "bob");
    }
    let answer = anna.post("/act/confirm", &form);
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("32 operators have logged in since"), "{}", answer.body);
    assert!(anna.get("/operator").body.contains("when 32 others have logged in after you"));
    assert_eq!(desk.state(job), "held");
}

/// A form is used up once what it asks for is in the job log, and not before.
#[test]
fn what_could_not_be_written_down_can_be_confirmed_again() {
    let desk = desk("");
    let (_daemon, address) = started(&desk);
    let job = desk.held("sales.txt");
    let anna = Browser::of(address, "anna");
    let form = anna.form(&format!("/act?verb=release&job={job}"));
    let other = connect_to_write(&desk.world.state_dir());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = anna.post("/act/confirm", &form);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(format!("form={}&plan={}", field(&answer.body, "form"), field(&answer.body, "plan")), form);
    assert!(answer.body.contains("You can confirm it again") && answer.body.contains("Release 1 job"), "{answer:?}");
    assert_eq!(desk.state(job), "held");
    other.execute_batch("ROLLBACK").unwrap();
    let mut done = String::new();
    desk.world.wait("the job log to be written again", || {
        done = anna.post("/act/confirm", &form).body;
        !done.contains("You can confirm it again")
    });
    assert!(done.contains("<h1>Release: 1 done</h1>"), "{done}");
    assert_eq!(anna.post("/act/confirm", &form).status, 409, "a replayed form");
    desk.world.wait_for("sales.txt", "success");
    let released = desk.details(job).into_iter().filter(|detail| detail.contains("released by anna")).count();
    assert_eq!(released, 1);
}

#[test]
fn a_form_that_comes_too_slowly_is_given_up() {
    let desk = desk("");
    let (_daemon, address) = started(&desk);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head =
        format!("POST /operator HTTP/1.1\r\nconnection: close\r\ncontent-length: 100\r\n{}\r\nname=", headers(address));
    stream.write_all(head.as_bytes()).unwrap();
    // Others are served meanwhile.
    Browser::of(address, "anna");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}
