//! What the body of an upload says: name and content, or why it is refused.

mod json_body;
mod multipart_body;

pub(super) use multipart_body::boundary;

use super::answers::Refusal;
use crate::job::UploadStyle;
use std::borrow::Cow;

/// A valid upload body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WireFile<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) content: Cow<'a, [u8]>,
}

/// Reads a complete body. `boundary` is that of a multipart content type.
pub(super) fn read<'a>(style: UploadStyle, boundary: &str, body: &'a [u8]) -> Result<WireFile<'a>, Refusal> {
    match style {
        UploadStyle::PutJson => json_body::read(body),
        UploadStyle::PostMultipart | UploadStyle::PutMultipart => multipart_body::read(boundary, body),
    }
}

/// How far into a body its file name is looked for; both forms have it near the start.
const NAME_WITHIN: usize = 64 * 1024;

/// The file name, from a body that is still arriving.
pub(super) fn early_name(style: UploadStyle, begun: &[u8]) -> Option<String> {
    let begun = &begun[..begun.len().min(NAME_WITHIN)];
    match style {
        UploadStyle::PutJson => json_body::early_name(begun),
        UploadStyle::PostMultipart | UploadStyle::PutMultipart => multipart_body::early_name(begun),
    }
}

/// A name or handle that tells where a file lies on the client: it has no business on the wire.
fn is_path(text: &str) -> bool {
    let mut chars = text.chars();
    let drive = chars.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && chars.as_str().starts_with(":\\");
    text.contains('/') || text.starts_with("file:") || text.starts_with("\\\\") || drive
}
