//! What facts mean. Pure: the caller collects them.

pub(super) mod adobe_answers;
pub(super) mod machine;

pub(super) mod record;
pub(super) mod rights;
pub(super) mod suite_answers;
pub(super) mod undelivered;
pub(super) mod unit;
