//! Reads the body of an upload: name and content, or the reason for a refusal.

use super::answers::Refusal;
use crate::job::UploadStyle;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::find;
use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A valid upload body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WireFile<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) content: Cow<'a, [u8]>,
}

/// Reads a complete body. `boundary` comes from a multipart content type.
pub(super) fn read<'a>(style: UploadStyle, boundary: &str, body: &'a [u8]) -> Result<WireFile<'a>, Refusal> {
    match style {
        UploadStyle::PutJson => read_json(body),
        UploadStyle::PostMultipart | UploadStyle::PutMultipart => read_multipart(boundary, body),
    }
}

/// Maximum number of bytes of a body in which its file name is searched. Both forms have it near the start.
const NAME_WITHIN: usize = 64 * 1024;

/// Returns the file name from a body that is still arriving.
pub(super) fn early_name(style: UploadStyle, begun: &[u8]) -> Option<String> {
    let begun = &begun[..begun.len().min(NAME_WITHIN)];
    match style {
        UploadStyle::PutJson => name_in_json(begun),
        UploadStyle::PostMultipart | UploadStyle::PutMultipart => name_in_multipart(begun),
    }
}

/// Returns whether a name or handle shows a path of the client, which must not be in a request.
fn is_path(text: &str) -> bool {
    let mut chars = text.chars();
    let drive = chars.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && chars.as_str().starts_with(":\\");
    text.contains('/') || text.starts_with("file:") || text.starts_with("\\\\") || drive
}

// The guide's PUT: Spring's `MultipartFile` as JSON (DESIGN §5, "Upload styles").

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    content_type: Cow<'a, str>,
    #[serde(borrow)]
    original_filename: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    bytes: Chunks<'a>,
    empty: bool,
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    size: u64,
    // Only its type is checked.
    #[serde(rename = "inputStream")]
    _input_stream: Option<EmptyObject>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resource<'a> {
    #[serde(borrow)]
    file: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    description: Option<Cow<'a, str>>,
    #[serde(rename = "readable")]
    _readable: Option<bool>,
    #[serde(borrow)]
    filename: Option<Cow<'a, str>>,
    #[serde(rename = "open")]
    _open: Option<bool>,
    #[serde(rename = "inputStream")]
    _input_stream: Option<EmptyObject>,
}

fn read_json(body: &[u8]) -> Result<WireFile<'_>, Refusal> {
    let body: Body<'_> = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("the body is not the JSON of the guide: {error}")))?;
    let name = body.original_filename;
    if name.is_empty() || is_path(&name) {
        return Err(Refusal::bad(format!("originalFilename should be a file name without path; got `{name}`")));
    }
    if body.name != "file" {
        return Err(Refusal::bad(format!("name is that of the form field, `file`; got `{}`", body.name)));
    }
    if !body.content_type.starts_with("text/") {
        return Err(Refusal::bad(format!("contentType should be text/plain; got `{}`", body.content_type)));
    }
    if let Some(resource) = body.resource {
        check_resource(&resource, &name)?;
    }
    let content = body.bytes.decode()?;
    if u64::try_from(content.len()) != Ok(body.size) {
        let (said, found) = (body.size, content.len());
        return Err(Refusal::bad(format!("size says {said} bytes, but bytes hold {found} after decoding")));
    }
    if body.empty != content.is_empty() {
        let (said, found) = (body.empty, content.len());
        return Err(Refusal::bad(format!("empty says {said}, but the file has {found} bytes")));
    }
    Ok(WireFile { name, content: Cow::Owned(content) })
}

fn check_resource(resource: &Resource<'_>, name: &str) -> Result<(), Refusal> {
    for (key, value) in [
        ("file", &resource.file),
        ("uri", &resource.uri),
        ("url", &resource.url),
        ("description", &resource.description),
        ("filename", &resource.filename),
    ] {
        if value.as_ref().is_some_and(|text| is_path(text)) {
            return Err(Refusal::bad(format!("resource.{key} holds a path of the client; it should not leave it")));
        }
    }
    match &resource.filename {
        Some(filename) if filename != name => {
            Err(Refusal::bad(format!("resource.filename is `{filename}`, but originalFilename is `{name}`")))
        }
        Some(_) | None => Ok(()),
    }
}

/// `bytes`: an array of base64 strings, or one plain string. The guide shows an array, but gives the type as a string.
struct Chunks<'a>(Vec<Cow<'a, str>>);

impl Chunks<'_> {
    fn decode(&self) -> Result<Vec<u8>, Refusal> {
        let length: usize = self.0.iter().map(|chunk| chunk.len()).sum();
        let mut content = Vec::with_capacity(length / 4 * 3 + 3);
        for chunk in &self.0 {
            STANDARD
                .decode_vec(chunk.as_bytes(), &mut content)
                .map_err(|error| Refusal::bad(format!("bytes hold no valid base64: {error}")))?;
        }
        Ok(content)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Chunks<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChunksVisitor;

        impl<'de> Visitor<'de> for ChunksVisitor {
            type Value = Chunks<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64 text, or an array of it")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Chunks(vec![Cow::Borrowed(text)]))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Chunks(vec![Cow::Owned(text.to_owned())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut chunks = Vec::new();
                while let Some(Chunk(text)) = array.next_element()? {
                    chunks.push(text);
                }
                Ok(Chunks(chunks))
            }
        }

        deserializer.deserialize_any(ChunksVisitor)
    }
}

/// Serde would copy a `Cow` inside a `Vec`. This one borrows from the body.
#[derive(serde::Deserialize)]
struct Chunk<'a>(#[serde(borrow)] Cow<'a, str>);

/// `inputStream` represents a stream that JSON cannot hold: `{}`.
struct EmptyObject;

impl<'de> Deserialize<'de> for EmptyObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = EmptyObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an empty object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                match map.next_entry::<IgnoredAny, IgnoredAny>()? {
                    None => Ok(EmptyObject),
                    Some(_) => Err(serde::de::Error::custom("inputStream should be an empty object")),
                }
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// The text after `"originalFilename":`, if it is complete.
fn name_in_json(begun: &[u8]) -> Option<String> {
    let key = b"\"originalFilename\"";
    let after_key = &begun[find(begun, key)? + key.len()..];
    let colon = find(after_key, b":")?;
    serde_json::Deserializer::from_slice(&after_key[colon + 1..]).into_iter().next()?.ok()
}

// The form that Adobe has documented since June 2024: one part, `file`, with a file name.

/// The end of a part's head.
const BLANK_LINE: &[u8] = b"\r\n\r\n";

fn read_multipart<'a>(boundary: &str, body: &'a [u8]) -> Result<WireFile<'a>, Refusal> {
    let bad = |what: &str| Refusal::bad(format!("the body is no multipart form with one part `file`: {what}"));
    let delimiter = format!("--{boundary}");
    let rest = body
        .strip_prefix(delimiter.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"\r\n"))
        .ok_or_else(|| bad("it does not begin with the boundary"))?;
    let head_end = find(&rest[..rest.len().min(16 * 1024)], BLANK_LINE).ok_or_else(|| bad("its part has no head"))?;
    let head = std::str::from_utf8(&rest[..head_end]).map_err(|_| bad("the part's head is not UTF-8"))?;
    let rest = &rest[head_end + BLANK_LINE.len()..];
    let end = find(rest, format!("\r\n{delimiter}").as_bytes()).ok_or_else(|| bad("its last boundary is missing"))?;
    let after = &rest[end + 2 + delimiter.len()..];
    match after.strip_prefix(b"--") {
        Some(b"" | b"\r\n") => {}
        Some(_) => return Err(bad("something follows its last boundary")),
        None => return Err(bad("it has more than one part")),
    }
    let disposition = disposition(head).ok_or_else(|| bad("its part has no Content-Disposition of form-data"))?;
    if parameter(disposition, "name").as_deref() != Some("file") {
        return Err(bad("its part is not named `file`"));
    }
    let name = file_name(disposition).ok_or_else(|| bad("its part has no filename"))?;
    if name.is_empty() || is_path(&name) {
        return Err(bad(&format!("filename should be a file name without path; got `{name}`")));
    }
    Ok(WireFile { name: Cow::Owned(name), content: Cow::Borrowed(&rest[..end]) })
}

fn disposition(head: &str) -> Option<&str> {
    head.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(':')?;
        let value = value.trim();
        let is_form = value.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("form-data"));
        (key.eq_ignore_ascii_case("content-disposition") && is_form).then_some(value)
    })
}

/// `filename*` (RFC 5987) has precedence over `filename`, because clients send it for names beyond ASCII.
fn file_name(disposition: &str) -> Option<String> {
    if let Some(extended) = parameter(disposition, "filename*") {
        let encoded = extended.get(..7).filter(|charset| charset.eq_ignore_ascii_case("utf-8''"))?;
        return percent_decode_str(&extended[encoded.len()..]).decode_utf8().ok().map(Cow::into_owned);
    }
    // Browsers and curl encode only the quote and line ends.
    Some(parameter(disposition, "filename")?.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
}

fn parameter(disposition: &str, wanted: &str) -> Option<String> {
    let mut rest = disposition;
    loop {
        let (_, after) = rest.split_once(';')?;
        let (key, value) = after.split_once('=')?;
        let (value, after) = value_of(value)?;
        if key.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// Reads a token or a quoted string, and returns it with the rest.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return Some((text[..end].trim().to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match (char, chars.peek()) {
            ('"', _) => return Some((value, &quoted[at + 1..])),
            ('\\', Some(&(_, escaped @ ('"' | '\\')))) => {
                value.push(escaped);
                chars.next();
            }
            _ => value.push(char),
        }
    }
    None
}

/// Returns the name in the first part's head, if that head is complete.
fn name_in_multipart(begun: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(&begun[..find(begun, BLANK_LINE)?]).ok()?;
    file_name(disposition(head)?)
}

/// Returns the boundary in a content type.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty())
}

#[cfg(test)]
mod tests;
