//! What facts mean. Pure: whoever looks brings them.

pub(super) mod adobe_answers;
pub(super) mod machine;
pub(super) mod record;
pub(super) mod rights;
pub(super) mod service;
