//! Reading a remote list over its pages.

use super::{ApiError, Client, JobQuery, Permit};
use crate::job::{RemoteJob, RemoteJobId, Target, Timestamp};
use std::collections::HashSet;

/// A list that never ends is no list: 50,000 jobs.
const PAGES: u32 = 500;

/// How far to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One page: only whether there is an answer.
    FirstPage,
    /// As many pages as the answer announces.
    Announced,
    /// To the first empty page, whatever was announced.
    ToTheEmptyPage,
    /// So, and page 1 once more (DESIGN S2).
    Twice,
}

/// What was listed.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Each job once, in the order in which it was listed.
    pub jobs: Vec<RemoteJob>,
    /// Page 1 was the same afterwards; only looked at with [`Extent::Twice`].
    pub steady: bool,
    /// Every entry could be read, and the list had an end.
    pub complete: bool,
    /// The server's clock at the first page.
    pub server_time: Option<Timestamp>,
}

impl Client {
    /// Reads the list of a target page by page. `permit` is asked for the right to send each request; a page of the
    /// query does not count.
    ///
    /// # Errors
    /// [`ApiError`] of the first request that failed.
    pub async fn list_all_jobs<P: Future<Output = Permit>>(
        &self,
        target: &Target,
        mut query: JobQuery,
        extent: Extent,
        permit: impl Fn() -> P,
    ) -> Result<Listing, ApiError> {
        let mut listing = Listing { jobs: Vec::new(), steady: true, complete: false, server_time: None };
        let mut seen = HashSet::new();
        let mut first_page = Vec::new();
        let mut entries_readable = true;
        for page in 1..=PAGES {
            query.page = Some(page);
            let listed = self.list_jobs(target, &query, permit().await).await?;
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
            let (at_the_end, repeats_allowed) = match extent {
                Extent::FirstPage => (true, true),
                Extent::Announced => (empty || repeated || listed.total_pages.is_some_and(|pages| page >= pages), true),
                Extent::ToTheEmptyPage | Extent::Twice => (empty || repeated, false),
            };
            if at_the_end {
                listing.complete = entries_readable && (repeats_allowed || !repeated);
                break;
            }
        }
        if extent == Extent::Twice {
            query.page = Some(1);
            let again = self.list_jobs(target, &query, permit().await).await?;
            listing.steady = ids(&again.jobs) == first_page;
        }
        Ok(listing)
    }
}

fn ids(jobs: &[RemoteJob]) -> Vec<RemoteJobId> {
    jobs.iter().map(|job| job.remote_job_id).collect()
}
