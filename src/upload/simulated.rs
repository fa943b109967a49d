//! One attempt by itself, for a simulation that decides when it goes on.

use super::attempt::Attempt;
use super::{UploadSettings, take_permits};
use crate::joblog::{Claim, JobLog};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs the attempt of a claim to its end, if the rate limit has room for it now.
pub(crate) fn attempt(
    joblog: &JobLog,
    settings: &Arc<UploadSettings>,
    claim: Claim,
) -> Option<impl Future<Output = ()> + use<>> {
    let permit = take_permits(&settings.budget, 1).pop()?;
    let attempt = Attempt { joblog: joblog.clone(), settings: Arc::clone(settings), claim };
    Some(attempt.run(permit, CancellationToken::new()))
}

/// Whether the credential may send at this moment.
pub(crate) fn may_send(settings: &UploadSettings) -> bool {
    !take_permits(&settings.budget, 1).is_empty()
}
