use super::*;
use crate::config::RateLimit;

fn a_minute(requests: u32) -> Arc<Budget> {
    Arc::new(Budget::new(Some(RateLimit { requests, per: Duration::from_mins(1) }), false))
}

struct Served {
    budget: Arc<Budget>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn serve_in(dir: &Path) -> Served {
    serve_with(dir, a_minute(1))
}

fn serve_with(dir: &Path, budget: Arc<Budget>) -> Served {
    let stop = CancellationToken::new();
    let desk = Desk::open(dir).unwrap();
    let (poke, mut pokes) = mpsc::unbounded_channel::<Poke>();
    let task = tokio::spawn(desk.serve(watch::channel(Arc::clone(&budget)).1, poke, stop.clone()));
    tokio::spawn(async move {
        while let Some(poke) = pokes.recv().await {
            poke.send(()).unwrap();
        }
    });
    Served { budget, stop, task }
}

#[tokio::test]
async fn a_command_spends_the_budget_of_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve_in(dir.path());
    let mut command = Line::open(dir.path()).unwrap().unwrap();
    command.permit().await.unwrap();
    assert_eq!(served.budget.spent(), (1, Some(1)));
    let early = tokio::time::timeout(Duration::from_millis(50), command.permit()).await;
    assert!(early.is_err(), "the budget is spent for a minute");
    let mut next = Line::open(dir.path()).unwrap().unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), next.permit()).await;
    assert!(early.is_err(), "the budget is spent for a minute");
}

#[tokio::test]
async fn a_command_may_send_several_requests() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve_with(dir.path(), a_minute(3));
    let mut command = Line::open(dir.path()).unwrap().unwrap();
    for sent in 1..=3 {
        command.permit().await.unwrap();
        assert_eq!(served.budget.spent().0, sent);
    }
}

#[tokio::test]
async fn a_poke_is_answered_beside_permits() {
    let dir = tempfile::tempdir().unwrap();
    let _served = serve_in(dir.path());
    let mut command = Line::open(dir.path()).unwrap().unwrap();
    command.poke().await.unwrap();
    command.permit().await.unwrap();
    // The budget is spent for a minute, and a poke waits for nothing.
    let mut next = Line::open(dir.path()).unwrap().unwrap();
    tokio::time::timeout(Duration::from_secs(10), next.poke()).await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_hangs_up_while_waiting_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve_in(dir.path());
    let first = served.budget.acquire(Purpose::Upload).await;
    let mut gone = Line::open(dir.path()).unwrap().unwrap();
    say(&mut gone.stream, PERMIT).await.unwrap();
    drop(gone);
    let mut waiting = Line::open(dir.path()).unwrap().unwrap();
    let permit = waiting.permit();
    // Unused: its slot goes to the one who still waits.
    drop(first);
    tokio::time::timeout(Duration::from_secs(10), permit).await.unwrap().unwrap();
}

/// Connections of commands that were stopped after what they said: they read nothing and say nothing.
async fn silent(dir: &Path, word: &str) -> Line {
    let mut line = Line::open(dir).unwrap().unwrap();
    say(&mut line.stream, word).await.unwrap();
    line
}

#[tokio::test]
async fn commands_that_are_silent_take_no_place_from_those_that_come_later() {
    let dir = tempfile::tempdir().unwrap();
    let _served = serve_with(dir.path(), Arc::new(Budget::new(None, false)));
    let mut stopped = Vec::new();
    for word in [PERMIT, POKE, ""].into_iter().cycle().take(60) {
        stopped.push(silent(dir.path(), word).await);
    }
    let mut command = Line::open(dir.path()).unwrap().unwrap();
    tokio::time::timeout(Duration::from_secs(10), command.poke()).await.unwrap().unwrap();
    tokio::time::timeout(Duration::from_secs(10), command.permit()).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn commands_that_are_silent_do_not_keep_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve_with(dir.path(), a_minute(2));
    let mut stopped = Vec::new();
    for _ in 0..2 {
        let mut line = silent(dir.path(), PERMIT).await;
        assert_eq!(self::line(&mut line.stream).await.unwrap().as_deref(), Some(GRANTED));
        stopped.push(line);
    }
    let begun = tokio::time::Instant::now();
    let _upload = served.budget.acquire(Purpose::Upload).await;
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(75), "an upload waited for {waited:?}");
    // Its request took long, and the budget hears of it.
    say(&mut stopped[0].stream, SENT).await.unwrap();
    say(&mut stopped[0].stream, PERMIT).await.unwrap();
    assert_eq!(self::line(&mut stopped[0].stream).await.unwrap().as_deref(), Some(GRANTED));
}

#[tokio::test]
async fn without_a_daemon_there_is_nobody_and_a_leftover_socket_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Line::open(dir.path()).unwrap().is_none());
    drop(std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET)).unwrap());
    assert!(Line::open(dir.path()).unwrap().is_none());
    let served = serve_in(dir.path());
    assert!(Line::open(dir.path()).unwrap().is_some());
    served.stop.cancel();
    served.task.await.unwrap();
    assert!(!dir.path().join(SOCKET).exists());
}

#[tokio::test]
async fn a_long_path_leads_there_too_and_others_are_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("x".repeat(120));
    fs::create_dir(&deep).unwrap();
    let _served = serve_in(&deep);
    let mut command = Line::open(&deep).unwrap().unwrap();
    command.permit().await.unwrap();
    assert_eq!(fs::metadata(deep.join(SOCKET)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(start_paused = true)]
async fn the_one_that_is_silent_for_longest_makes_room_and_those_that_wait_for_the_daemon_stay() {
    let (mut seats, stop) = (Seats::default(), CancellationToken::new());
    let mut taken = Vec::new();
    for _ in 0..COMMANDS {
        taken.push(seats.take(&stop));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    taken[0].set_silent_since(None);
    taken[1].hear(async { Ok(()) }).await.unwrap();
    let gone = |taken: &[Arc<Seat>]| -> Vec<usize> {
        (0..taken.len()).filter(|&index| taken[index].left.is_cancelled()).collect()
    };
    taken.push(seats.take(&stop));
    assert_eq!(gone(&taken), [2]);
    taken[5].left.cancel();
    taken.push(seats.take(&stop));
    assert_eq!(gone(&taken), [2, 5], "there was room");
    for seat in &taken {
        seat.set_silent_since(None);
    }
    taken.push(seats.take(&stop));
    assert_eq!(gone(&taken), [0, 2, 5], "all wait for the daemon");
    stop.cancel();
    assert_eq!(gone(&taken).len(), taken.len());
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let seat = Seats::default().take(&CancellationToken::new());
    let never = seat.hear(std::future::pending::<io::Result<()>>()).await;
    assert_eq!(never.unwrap_err().kind(), io::ErrorKind::TimedOut);
}
