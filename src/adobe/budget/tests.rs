use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn budget(requests: u32, per: Duration) -> Arc<Budget> {
    Arc::new(Budget::new(Some(RateLimit { requests, per }), false))
}

#[tokio::test(start_paused = true)]
async fn a_backlog_runs_at_the_limit_and_never_above() {
    let budget = budget(12, Duration::from_secs(6));
    let start = Instant::now();
    let mut waits = tokio::task::JoinSet::new();
    for number in 0..60 {
        let budget = Arc::clone(&budget);
        let purpose = if number % 3 == 0 { Purpose::Sweep } else { Purpose::Upload };
        waits.spawn(async move {
            let mut permit = budget.acquire(purpose).await;
            permit.sent();
            Instant::now()
        });
    }
    let mut stamps = waits.join_all().await;
    stamps.sort();
    for window in stamps.windows(13) {
        assert!(window[12] - window[0] > Duration::from_secs(6));
    }
    let took = *stamps.last().unwrap() - start;
    assert!(took < Duration::from_millis(4 * 6060 + 20), "{took:?} for five windows, of which the first is free");
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_was_not_used_wakes_the_next() {
    let budget = budget(1, Duration::from_mins(10));
    let first = budget.acquire(Purpose::Upload).await;
    assert_eq!(budget.spent(), (1, Some(1)));
    let next = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { budget.acquire(Purpose::Sweep).await }
    });
    tokio::task::yield_now().await;
    assert!(budget.try_acquire(Purpose::Upload).is_none());
    drop(first);
    let start = Instant::now();
    let mut second = next.await.unwrap();
    assert_eq!(Instant::now(), start);
    second.sent();
    drop(second);
    let _third = budget.acquire(Purpose::Upload).await;
    assert!(Instant::now() - start >= Duration::from_secs(606));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_delays_no_other() {
    let budget = budget(1, Duration::from_mins(10));
    let first = budget.acquire(Purpose::Upload).await;
    let cancelled = tokio::time::timeout(Duration::from_secs(1), budget.acquire(Purpose::Upload)).await;
    assert!(cancelled.is_err());
    drop(first);
    assert!(budget.try_acquire(Purpose::Sweep).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_in_flight_counts_from_its_drop() {
    let budget = budget(1, Duration::from_secs(10));
    let mut permit = budget.acquire(Purpose::Sweep).await;
    permit.under_way();
    tokio::time::advance(Duration::from_secs(30)).await;
    assert!(budget.try_acquire(Purpose::Sweep).is_none());
    drop(permit);
    assert!(budget.try_acquire(Purpose::Sweep).is_none());
    tokio::time::advance(Duration::from_millis(10_100)).await;
    assert!(budget.try_acquire(Purpose::Sweep).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_back_earlier_waiters() {
    let budget = Arc::new(Budget::new(None, true));
    assert_eq!(budget.pause(Duration::from_secs(5)), Duration::from_secs(5));
    let start = Instant::now();
    let _permit = budget.acquire(Purpose::Upload).await;
    assert!(Instant::now() - start >= Duration::from_secs(5));
    assert_eq!(budget.spent(), (0, None));
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_in_flight_together_met_one_outage() {
    let budget = Budget::new(None, false);
    let left = Instant::now();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(budget.note_busy(left), Some(1));
    for _ in 0..15 {
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(budget.note_busy(left), None, "sent before it was known");
    }
    assert_eq!(budget.note_busy(Instant::now()), Some(2), "sent although it was known");
    budget.note_ready();
    assert_eq!(budget.note_busy(left), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_pause_leaves_the_longer_one() {
    let budget = Budget::new(None, false);
    assert_eq!(budget.pause(Duration::from_secs(9)), Duration::from_secs(9));
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(budget.pause(Duration::ZERO), Duration::from_secs(5));
    assert_eq!(budget.pause(Duration::from_secs(7)), Duration::from_secs(7));
}

fn limit(requests: u32, per: Duration) -> RateLimit {
    RateLimit { requests, per }
}

fn take(window: &mut Window, purpose: Purpose, now: Instant) -> bool {
    let ticket = window.join(purpose);
    let taken = window.take(ticket, now).is_ok();
    if !taken {
        window.leave(ticket);
    }
    taken
}

#[test]
fn a_slot_is_free_again_when_its_stamp_left_the_window() {
    let start = Instant::now();
    let mut window = Window::new(Some(limit(1, Duration::from_secs(6))), None);
    let ticket = window.join(Purpose::Upload);
    assert_eq!(window.take(ticket, start), Ok(()));
    let sent = start + Duration::from_secs(20);
    assert!(!take(&mut window, Purpose::Upload, sent), "granted long ago, but not sent yet");
    window.stamp(sent);
    let ticket = window.join(Purpose::Upload);
    let free = sent + Duration::from_millis(6060);
    assert_eq!(window.take(ticket, sent), Err(Wait::Until(free)));
    assert_eq!(window.take(ticket, free), Ok(()));
    window.give_back();
    assert!(take(&mut window, Purpose::Upload, free), "given back at once");
}

#[test]
fn one_request_in_six_is_for_sweeps_while_one_waits() {
    let now = Instant::now();
    let mut window = Window::new(None, None);
    let mut order = String::new();
    let mut uploads: VecDeque<Ticket> = (0..20).map(|_| window.join(Purpose::Upload)).collect();
    let mut sweeps: VecDeque<Ticket> = (0..3).map(|_| window.join(Purpose::Sweep)).collect();
    while window.someone_waits() {
        if sweeps.front().is_some_and(|&ticket| window.take(ticket, now).is_ok()) {
            sweeps.pop_front();
            order.push('s');
        }
        if uploads.front().is_some_and(|&ticket| window.take(ticket, now).is_ok()) {
            uploads.pop_front();
            order.push('u');
        }
    }
    assert_eq!(order, "uuuuusuuuuusuuuuusuuuuu");
}

#[test]
fn a_pause_stops_everybody_even_without_a_limit() {
    let now = Instant::now();
    let mut window = Window::new(None, None);
    window.pause(Duration::from_secs(9), now);
    window.pause(Duration::from_secs(3), now);
    let ticket = window.join(Purpose::Upload);
    assert_eq!(window.take(ticket, now), Err(Wait::Until(now + Duration::from_secs(9))));
    assert_eq!(window.take(ticket, now + Duration::from_secs(9)), Ok(()));
}

#[test]
fn a_window_spent_at_the_start_opens_when_it_has_passed() {
    let now = Instant::now();
    let mut window = Window::new(Some(limit(3, Duration::from_secs(1))), Some(now));
    assert_eq!(window.spent(now), (3, Some(3)));
    assert!(!take(&mut window, Purpose::Sweep, now + Duration::from_secs(1)));
    assert!(take(&mut window, Purpose::Sweep, now + Duration::from_millis(1010)));
}

#[derive(Debug, Clone)]
enum Step {
    Ask(bool),
    Send,
    SendAgain(usize),
    GiveBack,
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<bool>().prop_map(Step::Ask),
        4 => Just(Step::Send),
        1 => (0usize..20).prop_map(Step::SendAgain),
        1 => Just(Step::GiveBack),
        3 => (0u64..700).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn no_window_ever_holds_more_than_the_limit(requests in 1u32..6, spent in any::<bool>(), steps in steps()) {
        let per = Duration::from_secs(1);
        let mut now = Instant::now();
        let mut window = Window::new(Some(limit(requests, per)), spent.then_some(now));
        let mut stamps: Vec<Instant> = if spent { vec![now; requests as usize] } else { Vec::new() };
        let mut granted = 0usize;
        let mut again: Vec<Instant> = Vec::new();
        for step in steps {
            match step {
                Step::Ask(upload) => {
                    let purpose = if upload { Purpose::Upload } else { Purpose::Sweep };
                    granted += usize::from(take(&mut window, purpose, now));
                }
                Step::Send if granted > 0 => {
                    granted -= 1;
                    window.stamp(now);
                    stamps.push(now);
                    again.push(now);
                }
                Step::GiveBack if granted > 0 => {
                    granted -= 1;
                    window.give_back();
                }
                Step::SendAgain(which) if which < again.len() => {
                    let before = std::mem::replace(&mut again[which], now);
                    window.stamp_again(before, now);
                }
                Step::Pass(millis) => now += Duration::from_millis(millis),
                Step::Send | Step::GiveBack | Step::SendAgain(_) => {}
            }
        }
        for (index, &first) in stamps.iter().enumerate() {
            let within = stamps[index..].iter().take_while(|&&stamp| stamp - first <= per).count();
            prop_assert!(within <= requests as usize, "{within} requests in one window of {requests}");
        }
    }
}
