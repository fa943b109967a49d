use super::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

fn body(layout: &Layout, content: &[u8]) -> String {
    let content = match layout.encoding {
        Encoding::Raw => content.to_vec(),
        Encoding::Base64 => BASE64_STANDARD.encode(content).into_bytes(),
    };
    let body = [&layout.prefix[..], &content, &layout.tail].concat();
    assert_eq!(body.len() as u64, layout.length);
    String::from_utf8(body).unwrap()
}

#[test]
fn put_json_is_byte_for_byte_what_the_design_shows() {
    assert_eq!(
        body(&Layout::new(UploadStyle::PutJson, "sales.txt", 3), b"abc"),
        r#"{"contentType":"text/plain","originalFilename":"sales.txt","name":"file","bytes":["YWJj"],"empty":false,"resource":{"file":"","uri":"","url":"","description":"sales.txt","readable":true,"filename":"sales.txt","open":false,"inputStream":{}},"size":3,"inputStream":{}}"#
    );
    assert_eq!(
        body(&Layout::new(UploadStyle::PutJson, "sales.fin", 0), b""),
        r#"{"contentType":"text/plain","originalFilename":"sales.fin","name":"file","bytes":[],"empty":true,"resource":{"file":"","uri":"","url":"","description":"sales.fin","readable":true,"filename":"sales.fin","open":false,"inputStream":{}},"size":0,"inputStream":{}}"#
    );
}

#[test]
fn names_with_special_characters_stay_one_json_string() {
    let text = body(&Layout::new(UploadStyle::PutJson, "a\"b\\\u{1}é.txt", 1), b"x");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["originalFilename"], "a\"b\\\u{1}é.txt");
    assert_eq!(value["resource"]["filename"], value["resource"]["description"]);
    assert_eq!(value["resource"].as_object().unwrap().len(), 8);
}

#[test]
fn multipart_is_one_part_with_the_name_as_browsers_write_it() {
    let layout = Layout::multipart(Method::POST, "a\"b\r\n 50%é日本.txt", 3, "B");
    assert_eq!(
        body(&layout, b"abc"),
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a%22b%0D%0A 50%é日本.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nabc\r\n--B--\r\n"
    );
    assert_eq!(layout.content_type, "multipart/form-data; boundary=B");
}

#[test]
fn boundaries_differ() {
    assert_ne!(boundary(), boundary());
    assert_eq!(Layout::new(UploadStyle::PutMultipart, "x", 0).method, Method::PUT);
}

#[test]
fn the_last_bytes_either_went_or_never_go() {
    let cx = Context::from_waker(Waker::noop());
    let gate = Gate::new();
    assert!(gate.pass(&cx).is_pending());
    gate.open();
    assert!(matches!(gate.pass(&cx), Poll::Ready(Ok(()))));
    assert!(gate.shut());
    assert!(gate.abort());

    let gate = Gate::new();
    gate.open();
    assert!(!gate.shut(), "opened, but nothing passed");
    assert!(gate.pass(&cx).is_pending());
    gate.open();
    assert!(gate.pass(&cx).is_pending(), "shut for good");
    assert!(gate.content(&cx).is_pending());
    assert!(!gate.abort());
    assert!(matches!(gate.pass(&cx), Poll::Ready(Err(Aborted))));
    assert!(!gate.shut());
    assert!(matches!(gate.content(&cx), Poll::Ready(Err(Aborted))));
}

#[tokio::test(start_paused = true)]
async fn only_the_wait_for_the_disk_counts_however_often_it_is_polled() {
    let reading = Arc::new(Reading::default());
    assert_eq!(reading.silent_for(), None);
    let gate = Arc::new(Gate::new());
    reading.follow(&gate);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(reading.silent_for(), None, "the server is waited for");
    gate.waits_for(Party::Reader);
    tokio::time::advance(Duration::from_secs(1)).await;
    gate.waits_for(Party::Reader);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(reading.silent_for(), Some(Duration::from_secs(2)));
    gate.waits_for(Party::Transport);
    gate.waits_for(Party::Reader);
    assert_eq!(reading.silent_for(), Some(Duration::ZERO));
}

#[test]
fn a_thread_is_at_work_until_it_ends() {
    let reading = Arc::new(Reading::default());
    assert!(reading.has_ended());
    let at_work = reading.begin();
    assert!(!reading.has_ended());
    drop(at_work);
    assert!(reading.has_ended());
}
