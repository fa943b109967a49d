//! Reading a remote list over its pages.

use crate::api::{ApiError, Budget, Client, JobQuery, Purpose, guide_date};
use crate::job::{RemoteJob, Target, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;

/// A list that never ends is no list: 50,000 jobs.
const PAGES: u32 = 500;

/// How far to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// One page: only whether there is an answer.
    FirstPage,
    /// As many pages as the answer announces.
    Announced,
    /// To the first empty page, whatever the answers announce (DESIGN S1).
    ToTheEmptyPage,
    /// The same, and page 1 once more (DESIGN S2).
    ToTheEmptyPageAndBack,
}

/// What was listed.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    /// Each job once, in the order in which it was listed.
    pub(super) jobs: Vec<RemoteJob>,
    /// Page 1 was the same afterwards; only asked for with [`Extent::ToTheEmptyPageAndBack`].
    pub(super) steady: bool,
    /// Every entry could be read, and the list had an end.
    pub(super) complete: bool,
    /// The server's clock at the first page.
    pub(super) server_time: Option<Timestamp>,
}

/// Reads the list of a target.
pub(super) async fn read(
    client: &Client,
    budget: &Arc<Budget>,
    target: &Target,
    start: Timestamp,
    end: Option<Timestamp>,
    extent: Extent,
) -> Result<Listing, ApiError> {
    let mut query = JobQuery { status: None, start: Some(guide_date(start)), end: end.map(guide_date), page: Some(1) };
    let mut listing = Listing { jobs: Vec::new(), steady: true, complete: false, server_time: None };
    let mut seen = HashSet::new();
    let mut first_page = Vec::new();
    let mut entries_readable = true;
    for page in 1..=PAGES {
        query.page = Some(page);
        let permit = budget.acquire(Purpose::Sweep).await;
        let listed = client.list_jobs(target, &query, permit).await?;
        entries_readable &= listed.unreadable == 0;
        listing.server_time = listing.server_time.or(listed.server_time);
        let empty = listed.jobs.is_empty();
        if page == 1 {
            first_page = ids(&listed.jobs);
        }
        // A page that repeats what was listed before adds nothing: its jobs are known.
        let before = listing.jobs.len();
        listing.jobs.extend(listed.jobs.into_iter().filter(|job| seen.insert(job.remote_job_id)));
        let repeated = !empty && listing.jobs.len() == before;
        let at_the_end = match extent {
            Extent::FirstPage => true,
            Extent::Announced => empty || repeated || listed.total_pages.is_some_and(|pages| page >= pages),
            Extent::ToTheEmptyPage | Extent::ToTheEmptyPageAndBack => empty || repeated,
        };
        if at_the_end {
            listing.complete = entries_readable
                && match extent {
                    Extent::FirstPage | Extent::Announced => true,
                    Extent::ToTheEmptyPage | Extent::ToTheEmptyPageAndBack => !repeated,
                };
            break;
        }
    }
    if extent == Extent::ToTheEmptyPageAndBack {
        query.page = Some(1);
        let permit = budget.acquire(Purpose::Sweep).await;
        let again = client.list_jobs(target, &query, permit).await?;
        listing.steady = ids(&again.jobs) == first_page;
    }
    Ok(listing)
}

fn ids(jobs: &[RemoteJob]) -> Vec<crate::job::RemoteJobId> {
    jobs.iter().map(|job| job.remote_job_id).collect()
}
