//! What Adobe documents since June 2024: one part, `file`, with a file name.

use super::{WireFile, is_path};
use crate::emulator::answers::Refusal;
use memchr::memmem::find;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The end of a part's head.
const BLANK_LINE: &[u8] = b"\r\n\r\n";

pub(super) fn read<'a>(boundary: &str, body: &'a [u8]) -> Result<WireFile<'a>, Refusal> {
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

/// `filename*` (RFC 5987) beats `filename`; clients send it for names beyond ASCII.
fn file_name(disposition: &str) -> Option<String> {
    if let Some(extended) = parameter(disposition, "filename*") {
        let encoded = extended.get(..7).filter(|charset| charset.eq_ignore_ascii_case("utf-8''"))?;
        return percent_decode_str(&extended[encoded.len()..]).decode_utf8().ok().map(Cow::into_owned);
    }
    // Browsers and curl encode the quote and line ends, and nothing else.
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

/// A token or a quoted string, and what follows it.
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

/// The name in the first part's head, if that head is complete.
pub(super) fn early_name(begun: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(&begun[..find(begun, BLANK_LINE)?]).ok()?;
    file_name(disposition(head)?)
}

/// The boundary that a content type names.
pub(in crate::emulator) fn boundary(content_type: &str) -> Option<String> {
    parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(disposition: &str, content: &str) -> String {
        format!("--xx\r\nContent-Disposition: {disposition}\r\nContent-Type: text/plain\r\n\r\n{content}\r\n--xx--\r\n")
    }

    #[test]
    fn the_part_is_read() {
        let body = form("form-data; name=\"file\"; filename=\"sales.txt\"", "a\r\nb\r\n");
        let file = read("xx", body.as_bytes()).unwrap();
        assert_eq!((&*file.name, &*file.content), ("sales.txt", b"a\r\nb\r\n".as_slice()));
        assert_eq!(early_name(&body.as_bytes()[..90]), None);
        assert_eq!(early_name(body.as_bytes()), Some("sales.txt".to_owned()));
        let empty = form("form-data; name=file; filename=sales.fin", "");
        assert!(read("xx", empty.as_bytes()).unwrap().content.is_empty());
    }

    #[test]
    fn names_come_in_several_encodings() {
        for (parameter, name) in [
            ("filename=\"a b.txt\"", "a b.txt"),
            ("filename=\"日本.txt\"", "日本.txt"),
            ("filename=\"a\\\"b.txt\"", "a\"b.txt"),
            ("filename=\"a%22b.txt\"", "a\"b.txt"),
            ("filename=\"50%25.txt\"", "50%25.txt"),
            ("filename=\"a;b=c.txt\"", "a;b=c.txt"),
            ("filename=\"x.txt\"; filename*=UTF-8''%E6%97%A5%22%25.txt", "日\"%.txt"),
        ] {
            let body = form(&format!("form-data; name=\"file\"; {parameter}"), "x");
            assert_eq!(read("xx", body.as_bytes()).unwrap().name, name, "{parameter}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let file = "form-data; name=\"file\"; filename=\"a.txt\"";
        let whole = form(file, "x");
        for body in [
            String::new(),
            whole.replace("--xx--", "--xx"),
            whole.trim_end().strip_suffix("--xx--").unwrap().to_owned(),
            whole.replace("--xx--\r\n", "--xx\r\nContent-Disposition: form-data; name=\"more\"\r\n\r\ny\r\n--xx--\r\n"),
            format!("{whole}more"),
            form("form-data; name=\"upload\"; filename=\"a.txt\"", "x"),
            form("form-data; name=\"file\"", "x"),
            form("attachment; name=\"file\"; filename=\"a.txt\"", "x"),
            form("form-data; name=\"file\"; filename=\"/srv/a.txt\"", "x"),
            form("form-data; name=\"file\"; filename=\"\"", "x"),
        ] {
            assert!(read("xx", body.as_bytes()).is_err(), "{body}");
        }
        assert!(read("yy", whole.as_bytes()).is_err());
    }

    #[test]
    fn the_boundary_may_be_quoted() {
        assert_eq!(boundary("multipart/form-data; boundary=xx").as_deref(), Some("xx"));
        assert_eq!(boundary("multipart/form-data; charset=utf-8; boundary=\"x;x\"").as_deref(), Some("x;x"));
        assert_eq!(boundary("multipart/form-data"), None);
    }
}
