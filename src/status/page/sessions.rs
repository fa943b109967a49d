//! Who acts on jobs: sessions of operators, their plans, and how often a log-in may be tried. Pure, and in memory alone: a
//! restart ends every session.

use super::visitors::{Hash, hash, in_digits, is_same};
use crate::clock::Moment;
use crate::job::{EventId, JobId, Verb};
use core::net::IpAddr;
use std::collections::VecDeque;
use std::time::Duration;

/// Time from a log-in to its end, whatever is done meanwhile.
pub(super) const SESSION: Duration = Duration::from_mins(30);
/// Maximum number of sessions. The oldest ends for a new one.
pub(super) const SESSIONS: usize = 32;
/// Maximum number of plans of a session. The oldest is forgotten for a new one.
const PLANS: usize = 8;
/// Time within which wrong log-ins count.
const WRONG_WITHIN: Duration = Duration::from_mins(1);
/// Maximum number of wrong log-ins within that time from one address, and from all.
const WRONG_FROM_ONE: usize = 5;
const WRONG_FROM_ALL: usize = 50;

/// Every operator who is logged in, and the log-ins that failed.
#[derive(Default)]
pub(super) struct Sessions {
    open: VecDeque<Session>,
    wrong: VecDeque<(Moment, IpAddr)>,
}

/// One operator's.
struct Session {
    /// The hash of what the cookie holds.
    id: Hash,
    /// The hash of the token that opened it: another token ends it.
    token: Hash,
    name: String,
    ends: Moment,
    plans: VecDeque<(Hash, Plan)>,
}

/// What an operator was shown, and may confirm once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) verb: Verb,
    /// Each job, and its newest event at that time.
    pub(super) jobs: Vec<(JobId, EventId)>,
    /// The page to go back to.
    pub(super) back: String,
}

/// An operator who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) name: String,
    /// What a form of this session holds, and a form of another site cannot.
    pub(super) form: String,
    id: Hash,
}

impl Operator {
    /// Whether a form that holds this is one of this session.
    pub(super) fn made(&self, form: &str) -> bool {
        is_same(&hash(&[form.as_bytes()]), &hash(&[self.form.as_bytes()]))
    }
}

/// Whoever has an address of a network of IPv6 has all of them.
fn network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

impl Sessions {
    /// Whether a log-in may be tried from there.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn may_try(&self, from: IpAddr, now: Moment) -> Result<(), Duration> {
        let recent = || self.wrong.iter().filter(|(at, _)| now.since(*at) < WRONG_WITHIN);
        // However many others are wrong, they do not lock out who was not.
        let most = if recent().count() >= WRONG_FROM_ALL { 1 } else { WRONG_FROM_ONE };
        let from = network(from);
        let is_out = recent().filter(|(_, who)| *who == from).count() >= most;
        let first = recent().find(|(_, who)| is_out && *who == from);
        first.map_or(Ok(()), |(at, _)| Err(at.after(WRONG_WITHIN).since(now)))
    }

    /// A log-in was wrong.
    pub(super) fn was_wrong(&mut self, from: IpAddr, now: Moment) {
        self.wrong.retain(|(at, _)| now.since(*at) < WRONG_WITHIN);
        self.wrong.push_back((now, network(from)));
    }

    /// Opens a session. `value`: what the cookie holds, drawn so that nobody can guess it.
    pub(super) fn open(&mut self, token: Hash, name: String, value: &str, now: Moment) {
        self.open.retain(|session| now < session.ends);
        if self.open.len() >= SESSIONS {
            self.open.pop_front();
        }
        let (id, ends) = (id_of(value), now.after(SESSION));
        self.open.push_back(Session { id, token, name, ends, plans: VecDeque::new() });
    }

    /// Returns the operator of the session that one of these cookies opens, as long as the token is the same.
    pub(super) fn operator<'a>(
        &self,
        mut values: impl Iterator<Item = &'a str>,
        token: &Hash,
        now: Moment,
    ) -> Option<Operator> {
        values.find_map(|value| {
            let id = id_of(value);
            let session = self.open.iter().find(|session| is_same(&session.id, &id))?;
            let is_open = now < session.ends && is_same(&session.token, token);
            let form = || in_digits(&hash(&[b"form", value.as_bytes()]));
            is_open.then(|| Operator { name: session.name.clone(), form: form(), id })
        })
    }

    /// Ends a session.
    pub(super) fn close(&mut self, operator: &Operator) {
        self.open.retain(|session| !is_same(&session.id, &operator.id));
    }

    /// Keeps what an operator is shown, under a name that nobody can guess.
    pub(super) fn keep(&mut self, operator: &Operator, name: &str, plan: Plan) {
        if let Some(session) = self.session(operator) {
            if session.plans.len() >= PLANS {
                session.plans.pop_front();
            }
            session.plans.push_back((id_of(name), plan));
        }
    }

    /// Returns the plan of this name, once.
    pub(super) fn take(&mut self, operator: &Operator, name: &str) -> Option<Plan> {
        let (session, id) = (self.session(operator)?, id_of(name));
        let at = session.plans.iter().position(|(plan, _)| is_same(plan, &id))?;
        session.plans.remove(at).map(|(_, plan)| plan)
    }

    fn session(&mut self, operator: &Operator) -> Option<&mut Session> {
        self.open.iter_mut().find(|session| is_same(&session.id, &operator.id))
    }
}

fn id_of(value: &str) -> Hash {
    hash(&[b"session", value.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Hash = [7; 32];

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn plan(job: i64) -> Plan {
        Plan { verb: Verb::Hold, jobs: vec![(JobId(job), EventId(1))], back: "/jobs".to_owned() }
    }

    fn operator(sessions: &Sessions, value: &str, now: Moment) -> Option<Operator> {
        sessions.operator(["other", value].into_iter(), &TOKEN, now)
    }

    #[test]
    fn a_session_ends_by_time_by_its_operator_and_with_its_token() {
        let mut sessions = Sessions::default();
        sessions.open(TOKEN, "anna".to_owned(), "one", at(10));
        sessions.open(TOKEN, "bob".to_owned(), "two", at(20));
        let anna = operator(&sessions, "one", at(11)).unwrap();
        let bob = operator(&sessions, "two", at(1_819)).unwrap();
        assert_eq!((anna.name.as_str(), bob.name.as_str()), ("anna", "bob"));
        assert_eq!(operator(&sessions, "one", at(1_810)), None, "it lasts for 30 minutes");
        assert_eq!(operator(&sessions, "three", at(11)), None);
        assert_eq!(sessions.operator(["one"].into_iter(), &[8; 32], at(11)), None, "another token");
        sessions.close(&bob);
        assert_eq!(operator(&sessions, "two", at(21)), None);
        assert!(operator(&sessions, "one", at(21)).is_some());
    }

    #[test]
    fn a_form_belongs_to_its_session_and_does_not_show_the_cookie() {
        let mut sessions = Sessions::default();
        sessions.open(TOKEN, "anna".to_owned(), "one", at(0));
        sessions.open(TOKEN, "anna".to_owned(), "two", at(0));
        let (one, two) = (operator(&sessions, "one", at(1)).unwrap(), operator(&sessions, "two", at(1)).unwrap());
        assert!(one.made(&one.form) && !one.made(&two.form) && !one.made("") && !one.made("one"));
        assert_eq!(one.form.len(), 64);
    }

    #[test]
    fn a_plan_is_taken_once_and_by_its_own_session() {
        let mut sessions = Sessions::default();
        sessions.open(TOKEN, "anna".to_owned(), "one", at(0));
        sessions.open(TOKEN, "bob".to_owned(), "two", at(0));
        let (anna, bob) = (operator(&sessions, "one", at(1)).unwrap(), operator(&sessions, "two", at(1)).unwrap());
        sessions.keep(&anna, "first", plan(1));
        assert_eq!(sessions.take(&bob, "first"), None);
        assert_eq!(sessions.take(&anna, "first"), Some(plan(1)));
        assert_eq!(sessions.take(&anna, "first"), None, "a replayed form");
        for number in 0..=PLANS {
            sessions.keep(&anna, &number.to_string(), plan(2));
        }
        assert_eq!(sessions.take(&anna, "0"), None, "the oldest made room");
        assert!(sessions.take(&anna, "1").is_some());
    }

    #[test]
    fn sessions_are_few_and_the_oldest_makes_room() {
        let mut sessions = Sessions::default();
        for number in 0..=SESSIONS {
            sessions.open(TOKEN, "anna".to_owned(), &number.to_string(), at(0));
        }
        assert_eq!((sessions.open.len(), operator(&sessions, "0", at(1))), (SESSIONS, None));
        sessions.open(TOKEN, "anna".to_owned(), "new", at(1_800));
        assert_eq!(sessions.open.len(), 1, "what has ended is forgotten");
    }

    #[test]
    fn wrong_log_ins_make_an_address_wait_and_many_the_first_of_each() {
        let mut sessions = Sessions::default();
        for second in 0..5 {
            assert_eq!(sessions.may_try(address(1), at(second)), Ok(()));
            sessions.was_wrong(address(1), at(second));
        }
        assert_eq!(sessions.may_try(address(1), at(10)), Err(Duration::from_secs(50)));
        assert_eq!(sessions.may_try(address(2), at(10)), Ok(()), "others may");
        assert_eq!(sessions.may_try(address(1), at(60)), Ok(()), "the first is forgotten");
        for other in 10..60 {
            sessions.was_wrong(address(other), at(100));
        }
        assert_eq!(sessions.may_try(address(10), at(101)), Err(Duration::from_secs(59)), "after one");
        assert_eq!(sessions.may_try(address(2), at(101)), Ok(()), "nobody else is locked out");
        let [one, other]: [IpAddr; 2] = ["2001:db8::1", "2001:db8::ffff:2"].map(|text| text.parse().unwrap());
        sessions.was_wrong(one, at(101));
        assert!(sessions.may_try(other, at(101)).is_err(), "whoever has one has the whole network");
        sessions.was_wrong(address(2), at(200));
        assert_eq!(sessions.wrong.len(), 1, "what does not count is not kept");
    }
}
