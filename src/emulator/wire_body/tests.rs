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
    read_json(body).unwrap().content.into_owned()
}

#[test]
fn the_guides_body_is_read() {
    let body = guide().to_string();
    let file = read_json(body.as_bytes()).unwrap();
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
        assert!(read_json(&body).is_err(), "{}", String::from_utf8_lossy(&body));
    }
    assert!(read_json(b"").is_err());
    assert!(read_json(b"{").is_err());
    assert!(read_json(br#"{"size":3,"size":3}"#).is_err());
}

#[test]
fn the_name_is_found_before_the_content_is_there() {
    assert_eq!(
        name_in_json(br#"{"contentType":"text/plain","originalFilename": "a\"b.txt","na"#),
        Some("a\"b.txt".into())
    );
    assert_eq!(name_in_json(br#"{"contentType":"text/plain","originalFilename":"a.t"#), None);
    assert_eq!(name_in_json(br#"{"contentType":"#), None);
}

fn form(disposition: &str, content: &str) -> String {
    format!("--xx\r\nContent-Disposition: {disposition}\r\nContent-Type: text/plain\r\n\r\n{content}\r\n--xx--\r\n")
}

#[test]
fn the_part_is_read() {
    let body = form("form-data; name=\"file\"; filename=\"sales.txt\"", "a\r\nb\r\n");
    let file = read_multipart("xx", body.as_bytes()).unwrap();
    assert_eq!((&*file.name, &*file.content), ("sales.txt", b"a\r\nb\r\n".as_slice()));
    assert_eq!(name_in_multipart(&body.as_bytes()[..90]), None);
    assert_eq!(name_in_multipart(body.as_bytes()), Some("sales.txt".to_owned()));
    let empty = form("form-data; name=file; filename=sales.fin", "");
    assert!(read_multipart("xx", empty.as_bytes()).unwrap().content.is_empty());
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
        assert_eq!(read_multipart("xx", body.as_bytes()).unwrap().name, name, "{parameter}");
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
        assert!(read_multipart("xx", body.as_bytes()).is_err(), "{body}");
    }
    assert!(read_multipart("yy", whole.as_bytes()).is_err());
}

#[test]
fn the_boundary_may_be_quoted() {
    assert_eq!(boundary("multipart/form-data; boundary=xx").as_deref(), Some("xx"));
    assert_eq!(boundary("multipart/form-data; charset=utf-8; boundary=\"x;x\"").as_deref(), Some("x;x"));
    assert_eq!(boundary("multipart/form-data"), None);
}
