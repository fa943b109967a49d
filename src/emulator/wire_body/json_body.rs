//! The guide's PUT: Spring's `MultipartFile` as JSON (DESIGN §5, "Upload styles").

use super::{WireFile, is_path};
use crate::emulator::answers::Refusal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::find;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

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
    // Only its shape is looked at.
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

pub(super) fn read(body: &[u8]) -> Result<WireFile<'_>, Refusal> {
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

/// `bytes`: an array of base64 strings, or one bare string (the guide shows the one and types the other).
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

/// A `Cow` inside a `Vec` would be copied; this one is borrowed from the body.
#[derive(serde::Deserialize)]
struct Chunk<'a>(#[serde(borrow)] Cow<'a, str>);

/// `inputStream` stands for a stream that JSON cannot carry: `{}`.
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
pub(super) fn early_name(begun: &[u8]) -> Option<String> {
    let key = b"\"originalFilename\"";
    let after_key = &begun[find(begun, key)? + key.len()..];
    let colon = find(after_key, b":")?;
    serde_json::Deserializer::from_slice(&after_key[colon + 1..]).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn guide() -> Value {
        json!({
            "contentType": "text/plain", "originalFilename": "sales.txt", "name": "file", "bytes": ["YWJj"],
            "empty": false,
            "resource": {
                "file": "", "uri": "", "url": "", "description": "sales.txt", "readable": true,
                "filename": "sales.txt", "open": false, "inputStream": {}
            },
            "size": 3, "inputStream": {}
        })
    }

    /// Changes the value at a path such as `resource.file`; null removes it.
    fn with(path: &str, value: Value) -> Vec<u8> {
        let mut body = guide();
        let (object, key) = match path.split_once('.') {
            Some((outer, key)) => (&mut body[outer], key),
            None => (&mut body, path),
        };
        let object = object.as_object_mut().unwrap();
        if value.is_null() {
            object.remove(key);
        } else {
            object.insert(key.to_owned(), value);
        }
        body.to_string().into_bytes()
    }

    fn content(body: &[u8]) -> Vec<u8> {
        read(body).unwrap().content.into_owned()
    }

    #[test]
    fn the_guides_body_is_read() {
        let body = guide().to_string();
        let file = read(body.as_bytes()).unwrap();
        assert_eq!((&*file.name, &*file.content), ("sales.txt", b"abc".as_slice()));
        let fin = br#"{"contentType":"text/plain","originalFilename":"sales.fin","name":"file","bytes":[],"empty":true,"resource":{"file":"","uri":"","url":"","description":"sales.fin","readable":true,"filename":"sales.fin","open":false,"inputStream":{}},"size":0,"inputStream":{}}"#;
        assert!(content(fin).is_empty());
    }

    #[test]
    fn all_three_spellings_of_bytes_are_read() {
        assert_eq!(content(&with("bytes", json!("YWJj"))), b"abc");
        assert_eq!(content(&with("bytes", json!(["YQ==", "YmM="]))), b"abc");
        let escaped = guide().to_string().replace("YWJj", "\\u0059WJj");
        assert_eq!(content(escaped.as_bytes()), b"abc");
    }

    #[test]
    fn resource_and_input_stream_may_be_left_out() {
        assert_eq!(content(&with("resource", Value::Null)), b"abc");
        assert_eq!(content(&with("resource.inputStream", Value::Null)), b"abc");
        assert_eq!(content(&with("inputStream", Value::Null)), b"abc");
    }

    #[test]
    fn contradictions_and_strangers_are_refused() {
        for (path, value) in [
            ("contentType", json!("application/pdf")),
            ("originalFilename", json!("/srv/sales.txt")),
            ("originalFilename", json!("")),
            ("originalFilename", Value::Null),
            ("name", json!("sales.txt")),
            ("bytes", json!(["YWJj!"])),
            ("bytes", json!(["YWJ"])),
            ("bytes", json!("YWJjYWJj")),
            ("bytes", json!([1])),
            ("bytes", Value::Null),
            ("empty", json!(true)),
            ("empty", json!("no")),
            ("size", json!(4)),
            ("size", json!(-1)),
            ("size", json!("3")),
            ("size", Value::Null),
            ("inputStream", json!({ "a": 1 })),
            ("inputStream", json!("")),
            ("more", json!(1)),
            ("resource", json!("")),
            ("resource.more", json!(1)),
            ("resource.file", json!("/srv/datadrop/sales.txt")),
            ("resource.uri", json!("file:sales.txt")),
            ("resource.url", json!("file:///srv/sales.txt")),
            ("resource.description", json!("C:\\data\\sales.txt")),
            ("resource.filename", json!("other.txt")),
            ("resource.readable", json!("yes")),
        ] {
            let body = with(path, value);
            assert!(read(&body).is_err(), "{}", String::from_utf8_lossy(&body));
        }
        assert!(read(b"").is_err());
        assert!(read(b"{").is_err());
        assert!(read(br#"{"size":3,"size":3}"#).is_err());
    }

    #[test]
    fn the_name_is_found_before_the_content_is_there() {
        assert_eq!(
            early_name(br#"{"contentType":"text/plain","originalFilename": "a\"b.txt","na"#),
            Some("a\"b.txt".into())
        );
        assert_eq!(early_name(br#"{"contentType":"text/plain","originalFilename":"a.t"#), None);
        assert_eq!(early_name(br#"{"contentType":"#), None);
    }
}
