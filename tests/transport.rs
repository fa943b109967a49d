//! Connections, TLS, proxies and names. For every fault on the way, a file arrives once or waits with a reason, and no
//! secret is printed.

use crate::harness::{Act, Answer, Authority, Daemon, Ending, Head, Manner, Relay, World, arrived_once, data, tagged};
use base64::Engine as _;
use datadrop::adobe::{ApiError, Budget, Client, JobQuery, Listed, Purpose};
use datadrop::config::{ApiConfig, Credential};
use datadrop::job::Target;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A host that does not exist. Only a client that asks a proxy reaches it.
const OUTSIDE: &str = "analytics.example.test";

fn pass(_: &Head) -> Act {
    Act::Pass
}

fn start_with(world: &World, variables: &[(&str, &str)]) -> Daemon {
    let daemon = Daemon::start_with(world.dir.path(), &world.write_config(), &[], variables);
    daemon.wait_ready();
    daemon
}

/// Waits until the log says why nothing can be sent.
fn wait_told(world: &World, words: &str) {
    world.wait(&format!("{words:?} in the log"), || world.log().contains(words));
}

// Connections are kept, and nothing below the job log repeats a request.

#[test]
fn a3_each_attempt_is_one_request_however_the_server_ends_its_connections() {
    const FILES: usize = 24;
    for ending in [Ending::Kept, Ending::AfterAnswer, Ending::AtTheNextUpload] {
        let mut world = World::new();
        let relay = world.relay("http", Manner { ending, ..Manner::default() }, pass);
        let _daemon = world.start();
        for number in 0..FILES {
            world.drop_file("a", &format!("{number:02}.txt"), tagged(number));
        }
        world.wait("all to be done", || world.count("state = 'success'") == 24);
        let contents: Vec<_> = (0..FILES).map(|number| (format!("{number:02}.txt"), tagged(number))).collect();
        let files: Vec<_> = contents.iter().map(|(name, content)| ("a", name.as_str(), content.as_slice())).collect();
        world.assert_delivered(&files);

        let begun = relay.count(Head::is_upload);
        let attempts: i64 = world.jobs().iter().map(|job| job.attempts).sum();
        let attempts = usize::try_from(attempts).unwrap();
        assert!(begun <= attempts, "{ending:?}: {begun} requests for {attempts} attempts");
        match ending {
            Ending::Kept => assert_eq!((begun, attempts), (FILES, FILES)),
            Ending::AfterAnswer => assert_eq!(begun, FILES, "an answered upload was sent again"),
            Ending::AtTheNextUpload => assert!(begun > FILES, "no upload met a dying connection"),
        }
    }
}

// TLS.

#[test]
fn a_server_certified_by_ca_file_is_trusted_on_loopback() {
    let mut world = World::new();
    let authority = Authority::new();
    let certificate = Some(authority.server("127.0.0.1"));
    let relay = world.relay("https", Manner { certificate, ..Manner::default() }, pass);
    let ca_file = authority.write(world.dir.path());
    world.api("ca_file", &format!("{ca_file:?}"));
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    arrived_once(&world, "sales.txt");
    assert_eq!((relay.count(Head::is_upload), relay.count(Head::is_token)), (1, 1));
}

#[test]
fn a_server_that_nobody_vouches_for_gets_nothing_and_the_remedy_is_named() {
    let mut world = World::new();
    let certificate = Some(Authority::new().server("127.0.0.1"));
    let relay = world.relay("https", Manner { certificate, ..Manner::default() }, pass);
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    assert_eq!(world.wait_for("sales.txt", "queued").attempts, 0);
    wait_told(&world, "UnknownIssuer");
    wait_told(&world, "api.ca_file");
    assert_eq!(world.blocked("a"), "", "the certificate is not the account's fault");
    assert!(relay.heads().is_empty(), "{:?}", relay.heads());
}

#[test]
fn a_certificate_for_another_host_is_not_taken() {
    let mut world = World::new();
    let authority = Authority::new();
    let certificate = Some(authority.server("analytics.example.test"));
    let relay = world.relay("https", Manner { certificate, ..Manner::default() }, pass);
    let ca_file = authority.write(world.dir.path());
    world.api("ca_file", &format!("{ca_file:?}"));
    let _daemon = world.start();
    wait_told(&world, "certificate not valid for name");
    assert!(relay.heads().is_empty(), "{:?}", relay.heads());
}

// Proxies. A proxy on loopback that leads only to the emulator represents the outside world.

/// A proxy, and a world whose API is behind it.
fn behind_a_proxy(
    scheme: &str,
    authority: Option<&Authority>,
    act: impl Fn(&Head) -> Act + Send + Sync + 'static,
) -> (World, Relay) {
    let mut world = World::new();
    let manner = Manner {
        certificate: authority.map(|authority| authority.server(OUTSIDE)),
        is_proxy: true,
        ..Manner::default()
    };
    let proxy = world.relay("http", manner, act);
    world.server(&format!("{scheme}://{OUTSIDE}"));
    (world, proxy)
}

fn as_proxy(credentials: &str, address: SocketAddr) -> String {
    format!("\"http://{credentials}{address}\"")
}

#[test]
fn https_goes_through_the_proxy_in_a_tunnel_and_the_platforms_roots_count() {
    let authority = Authority::new();
    let (mut world, proxy) = behind_a_proxy("https", Some(&authority), pass);
    world.api("proxy", &as_proxy("", proxy.address()));
    let roots = authority.write(world.dir.path());
    let _daemon = start_with(&world, &[("SSL_CERT_FILE", roots.to_str().unwrap())]);
    world.drop_file("a", "sales.txt", data(3));
    arrived_once(&world, "sales.txt");
    for head in proxy.heads() {
        let tunnel = format!("{OUTSIDE}:443");
        let place = if head.method == "CONNECT" { &head.target } else { head.tunnel.as_ref().unwrap() };
        assert_eq!(*place, tunnel, "{head:?}");
        // The requests that the proxy can read hold no secret of the API.
        assert!(head.method != "CONNECT" || head.header("authorization").is_none(), "{head:?}");
    }
}

#[test]
fn ca_file_is_added_to_the_platforms_roots_and_does_not_replace_them() {
    let authority = Authority::new();
    let (mut world, proxy) = behind_a_proxy("https", Some(&authority), pass);
    let roots = world.dir.path().join("roots.pem");
    std::fs::rename(authority.write(world.dir.path()), &roots).unwrap();
    let ca_file = Authority::new().write(world.dir.path());
    world.api("proxy", &as_proxy("", proxy.address())).api("ca_file", &format!("{ca_file:?}"));
    let _daemon = start_with(&world, &[("SSL_CERT_FILE", roots.to_str().unwrap())]);
    world.drop_file("a", "sales.txt", data(3));
    arrived_once(&world, "sales.txt");
}

#[test]
fn proxy_credentials_go_to_the_proxy_alone_and_a_407_blocks_the_account_until_they_are_right() {
    const PASSWORD: &str = "pr0xy-s3cr3t";
    let given = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("user:{PASSWORD}")));
    let open = Arc::new(AtomicBool::new(false));
    for scheme in ["https", "http"] {
        open.store(false, Ordering::SeqCst);
        let authority = Authority::new();
        let guard = Arc::clone(&open);
        let (mut world, proxy) = behind_a_proxy(scheme, (scheme == "https").then_some(&authority), move |head| {
            // Inside a tunnel, the proxy asks for no credentials.
            if head.tunnel.is_none() && !guard.load(Ordering::SeqCst) {
                return Act::Say(Answer::new(407, "<html>Proxy Authentication Required</html>"));
            }
            Act::Pass
        });
        let ca_file = authority.write(world.dir.path());
        world
            .api("ca_file", &format!("{ca_file:?}"))
            .api("allow_http", if scheme == "http" { "true" } else { "false" });
        world.api("proxy", &as_proxy(&format!("user:{PASSWORD}@"), proxy.address()));
        let _daemon = world.start();
        world.drop_file("a", "sales.txt", data(3));
        let why = world.wait_blocked("a");
        assert!(why.contains("407") && why.contains("api.proxy"), "{scheme}: {why}");
        world.wait_for("sales.txt", "queued");
        open.store(true, Ordering::SeqCst);
        arrived_once(&world, "sales.txt");
        assert_eq!(world.blocked("a"), "");
        for head in proxy.heads() {
            let expected = head.tunnel.is_none().then_some(given.as_str());
            assert_eq!(head.header("proxy-authorization"), expected, "{scheme}: {head:?}");
        }
        world.assert_keeps(&[PASSWORD, given.trim_start_matches("Basic ")]);
        let shown = world.run(&["status", "--json"]);
        assert!(!String::from_utf8_lossy(&shown.stdout).contains(PASSWORD));
    }
}

#[test]
fn a_407_in_the_middle_of_the_work_blocks_the_account_and_the_file_waits() {
    let shut = Arc::new(AtomicBool::new(false));
    let guard = Arc::clone(&shut);
    let (mut world, proxy) = behind_a_proxy("http", None, move |head| {
        if guard.load(Ordering::SeqCst) && !head.is_token() {
            return Act::Say(Answer::new(407, ""));
        }
        Act::Pass
    });
    world.api("allow_http", "true").api("proxy", &as_proxy("", proxy.address()));
    let _daemon = world.start();
    world.drop_file("a", "first.txt", data(1));
    world.wait_for("first.txt", "success");
    shut.store(true, Ordering::SeqCst);
    world.drop_file("a", "sales.txt", data(3));
    let why = world.wait_blocked("a");
    assert!(why.contains("407") && why.contains("api.proxy"), "{why}");
    assert_eq!(world.wait_for("sales.txt", "queued").attempts, 1);
    shut.store(false, Ordering::SeqCst);
    arrived_once(&world, "sales.txt");
}

#[test]
fn a_proxy_that_is_away_or_refuses_the_tunnel_costs_retries_and_shows_no_password() {
    let authority = Authority::new();
    let (mut world, proxy) = behind_a_proxy("https", Some(&authority), |head| match head.method.as_str() {
        "CONNECT" => Act::Say(Answer::new(502, "")),
        _ => Act::Pass,
    });
    world.api("proxy", &as_proxy("user:pr0xy-s3cr3t@", proxy.address()));
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    wait_told(&world, "tunnel");
    assert_eq!(world.wait_for("sales.txt", "queued").attempts, 0);
    assert_eq!(world.blocked("a"), "", "{}", world.log());

    let mut world = World::new();
    world.server(&format!("https://{OUTSIDE}")).api("proxy", "\"http://user:pr0xy-s3cr3t@127.0.0.1:1\"");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    wait_told(&world, "Connection refused");
    world.wait_for("sales.txt", "queued");
    world.assert_keeps(&["pr0xy-s3cr3t"]);
}

#[test]
fn a_proxy_of_the_environment_serves_the_world_and_never_loopback() {
    let authority = Authority::new();
    let (mut world, proxy) = behind_a_proxy("https", Some(&authority), pass);
    let ca_file = authority.write(world.dir.path());
    world.api("ca_file", &format!("{ca_file:?}"));
    let address = format!("http://{}", proxy.address());
    let variables = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .map(|name| (name, address.as_str()));
    let no_exception = [("NO_PROXY", ""), ("no_proxy", "")];
    let daemon = start_with(&world, &[&variables[..], &no_exception].concat());
    world.drop_file("a", "outside.txt", data(3));
    arrived_once(&world, "outside.txt");
    assert!(proxy.count(|head| head.method == "CONNECT") > 0);
    assert!(daemon.stop().success());

    let mut world = World::new();
    let asked = proxy.heads().len();
    let direct = format!("http://{}", world.emulator().address());
    world.server(&direct);
    let _daemon = start_with(&world, &[&variables[..], &no_exception].concat());
    world.drop_file("a", "inside.txt", data(3));
    arrived_once(&world, "inside.txt");
    assert_eq!(proxy.heads().len(), asked, "{:?}", proxy.heads().last());
}

// Every wait has a timeout.

fn client(origin: &str, change: impl FnOnce(&mut ApiConfig)) -> Client {
    let mut config = ApiConfig {
        base_url: format!("{origin}/api"),
        token_url: format!("{origin}/ims/token/v3"),
        global_company_id: "examplecompany".into(),
        client_id: "test".into(),
        credential: Credential::Token("t0ken".into()),
        scopes: vec!["openid".into()],
        path_segment: "datasources".into(),
        rate_limit: None,
        timeout: Duration::from_millis(400),
        connect_timeout: Duration::from_millis(200),
        proxy: None,
        ca_file: None,
        allow_http: false,
    };
    change(&mut config);
    Client::new(&config, Arc::new(Budget::new(None, false))).unwrap()
}

fn list(client: &Client, origin: &str) -> Result<Listed, ApiError> {
    let target = Target {
        base_url: format!("{origin}/api"),
        path_segment: "datasources".into(),
        company: "examplecompany".into(),
        report_suite_id: "suite".into(),
        data_source_id: 1,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let permit = Arc::new(Budget::new(None, false)).acquire(Purpose::Sweep).await;
        client.list_jobs(&target, &JobQuery::default(), permit).await
    })
}

/// A server that accepts connections and never answers.
fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_server_or_proxy_that_never_says_a_word_is_given_up() {
    let (_listener, address) = silent();
    let before = Instant::now();
    // The connection has a shorter timeout than the answer, and includes handshakes and tunnels.
    let patient = |config: &mut ApiConfig| config.timeout = Duration::from_secs(60);
    let https = format!("https://{address}");
    let error = list(&client(&https, patient), &https).unwrap_err();
    assert!(matches!(error, ApiError::NotConnected { .. }), "{error}");
    let outside = format!("https://{OUTSIDE}");
    let proxied = client(&outside, |config| {
        patient(config);
        config.proxy = Some(format!("http://{address}").into());
    });
    let error = list(&proxied, &outside).unwrap_err();
    assert!(matches!(error, ApiError::NotConnected { .. }), "{error}");
    // A plain connection is established immediately, and then the client waits for the answer.
    let http = format!("http://{address}");
    let error = list(&client(&http, |_| {}), &http).unwrap_err();
    assert!(matches!(error, ApiError::Unclear { .. }), "{error}");
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
}

#[test]
fn a_token_service_that_never_answers_delays_nothing_without_end() {
    let (_listener, address) = silent();
    let mut world = World::new();
    world.api("timeout", "\"300ms\"").api("token_url", &format!("\"http://{address}/ims/token/v3\""));
    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    wait_told(&world, "no answer for 0.3 s");
    world.wait_for("sales.txt", "queued");
    assert_eq!(world.blocked("a"), "");
    assert!(daemon.stop().success());
}

#[test]
fn names_that_resolve_slowly_or_not_at_all_are_given_up_and_hold_up_no_stop() {
    // A separate network, in which no DNS query reaches a server. With the second interface, the resolver's queries get
    // lost, and the resolver waits. Without that interface, they are refused immediately.
    let in_a_network = |world: &World, lost: bool| {
        let resolver = world.dir.path().join("resolv.conf");
        std::fs::write(&resolver, "nameserver 192.0.2.1\noptions timeout:20 attempts:2\n").unwrap();
        let mut script = format!("mount --bind {} /etc/resolv.conf && ip link set lo up", resolver.display());
        if lost {
            script += " && ip link add d0 type veth peer name d1 && ip address add 192.0.2.2/24 dev d0 \
                       && ip link set d0 up && ip link set d1 up \
                       && ip neighbour add 192.0.2.1 lladdr 02:00:00:00:00:01 dev d0 nud permanent";
        }
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c"]).arg(format!("{script} && exec \"$@\"")).arg("sh");
        command
    };
    let mut world = World::new();
    world.server(&format!("https://{OUTSIDE}")).api("connect_timeout", "\"300ms\"");
    for lost in [true, false] {
        if !in_a_network(&world, lost).arg("true").output().is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no network of its own can be made here; it takes root, unshare and ip");
            return;
        }
        let mut command = in_a_network(&world, lost);
        command.arg(env!("CARGO_BIN_EXE_datadrop"));
        let variables = [("HTTPS_PROXY", ""), ("https_proxy", ""), ("ALL_PROXY", ""), ("all_proxy", "")];
        let daemon = Daemon::start_by(command, world.dir.path(), &world.write_config(), &[], &variables);
        daemon.wait_ready();
        world.drop_file("a", if lost { "slow.txt" } else { "nowhere.txt" }, data(3));
        let told = || world.log().lines().filter(|line| line.contains("no access token yet")).count();
        let before = told();
        world.wait("three tries in vain", || told() >= before + 3);
        let last = world.log().lines().rfind(|line| line.contains("no access token yet")).unwrap().to_owned();
        assert_eq!(last.contains("timed out"), lost, "{last}");
        assert_eq!(world.blocked("a"), "");
        let stopping = Instant::now();
        assert!(daemon.stop().success());
        assert!(stopping.elapsed() < Duration::from_secs(10), "{:?}", stopping.elapsed());
    }
    assert_eq!(world.count("state = 'queued' AND attempts = 0"), 2);
}
