//! One attempt by itself, for a simulation that decides when it goes on.

use super::attempt::Attempt;
use super::{UploadSettings, take_permits};
use crate::adobe::Permit;
use crate::joblog::{Claim, JobLog};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The permits that there are for so many attempts; taken before the claim, as the dispatcher does.
pub(crate) fn permits(settings: &UploadSettings, attempts: usize) -> Vec<Permit> {
    take_permits(&settings.budget, attempts)
}

/// Runs the attempt of a claim to its end.
pub(crate) fn attempt(
    joblog: &JobLog,
    settings: &Arc<UploadSettings>,
    claim: Claim,
    permit: Permit,
) -> impl Future<Output = ()> + use<> {
    let stop = CancellationToken::new();
    joblog.on_taken_back(claim.job.id, claim.job.attempts, stop.clone());
    let attempt = Attempt { joblog: joblog.clone(), settings: Arc::clone(settings), claim, reading: Arc::default() };
    attempt.run(permit, stop)
}
