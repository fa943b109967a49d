use super::*;
use proptest::prelude::*;
use serde_json::json;

fn expected() -> RemoteJob {
    RemoteJob {
        file_name: Some("my_data_file.txt".into()),
        rows_processed: Some(100),
        remote_job_id: RemoteJobId(12345),
        remote_status: Some("processing".into()),
        remote_created: Some("1/1/2024 00:00:00".into()),
        remote_started: Some("1/1/2024 00:00:00".into()),
        remote_finished: None,
    }
}

#[test]
fn both_spellings_read_alike() {
    let guide = json!({
        "Filename": "my_data_file.txt", "The number of rows successfully processed": 100, "Job ID": 12345,
        "Status of the job": "processing", "Date the job was created": "1/1/2024 00:00:00",
        "Date the job began processing": "1/1/2024 00:00:00", "Date the job finished processing": null
    });
    let current = json!({
        "filename": "my_data_file.txt", "rows": "100", "job_id": "12345", "status": "processing",
        "uploaded_date": "1/1/2024 00:00:00", "started_processing_date": "1/1/2024 00:00:00", "new": {"er": [1]}
    });
    assert_eq!(job(&guide), Some(expected()));
    assert_eq!(job(&current), Some(expected()));
}

#[test]
fn a_job_without_a_usable_id_is_none() {
    for value in [
        json!({}),
        json!({"job_id": null}),
        json!({"job_id": "x"}),
        json!({"job_id": 1.5}),
        json!([]),
        json!({"job_id": 0}),
        json!({"Job ID": -3}),
        json!({"job_id": 18_446_744_073_709_551_615_u64}),
    ] {
        assert_eq!(job(&value), None, "{value}");
    }
    assert_eq!(job(&json!({"Job ID": null, "job_id": 7})).unwrap().remote_job_id, RemoteJobId(7));
}

#[test]
fn rows_that_make_no_sense_are_unknown() {
    assert_eq!(job(&json!({"job_id": 7, "rows": -1})).unwrap().rows_processed, None);
    assert_eq!(job(&json!({"job_id": 7, "rows": "many"})).unwrap().rows_processed, None);
    assert_eq!(job(&json!({"job_id": 7, "rows": "0"})).unwrap().rows_processed, Some(0));
    for rows in [json!(100), json!("100"), json!(100.0), json!("100.0"), json!(" 100 ")] {
        assert_eq!(job(&json!({"job_id": 7.0, "rows": rows})).unwrap().rows_processed, Some(100), "{rows}");
    }
    for rows in [json!(100.5), json!("100.5"), json!(1e300), json!("1,000"), json!(null), json!(".0")] {
        assert_eq!(job(&json!({"job_id": 7, "rows": rows})).unwrap().rows_processed, None, "{rows}");
    }
}

#[test]
fn a_page_counts_what_it_cannot_read_and_is_never_guessed() {
    let read = page(&json!({"page": 1, "jobs": [{"job_id": 7}, {}, 4], "total_pages": "2"})).unwrap();
    assert_eq!((read.jobs.len(), read.unreadable, read.page, read.total_pages), (1, 2, Some(1), Some(2)));
    assert_eq!(page(&json!({"page": 1, "total_pages": 1})), None);
    assert_eq!(page(&json!({"page": 1, "jobs": null, "total_pages": 1})), None);
    assert_eq!(page(&json!({"page": 2, "jobs": null, "total_pages": 1})).unwrap().jobs, []);
    assert_eq!(page(&json!([])), None);
}

#[test]
fn an_account_is_read_as_far_as_it_goes() {
    let full = account(&json!({
        "name": "Account 1", "email": "noreply@mycompany.com", "data_source_id": "1", "type": "generic",
        "ftp_hostname": "ftp.omniture.com", "ftp_username": "my_username", "ftp_password": "geheim", "date_created": 1
    }))
    .unwrap();
    assert_eq!((full.data_source_id, full.name.as_deref()), (1, Some("Account 1")));
    assert_eq!((full.email.as_deref(), full.account_type.as_deref()), (Some("noreply@mycompany.com"), Some("generic")));
    assert!(!format!("{full:?}").contains("geheim"));
    let bare = account(&json!({"data_source_id": 7, "name": null})).unwrap();
    assert_eq!((bare.data_source_id, bare.name, bare.ftp_password.is_none()), (7, None, true));
    for value in [json!({"name": "x"}), json!({"data_source_id": 0}), json!([]), json!({"data_source_id": "x"})] {
        assert!(account(&value).is_none(), "{value}");
    }
}

#[test]
fn each_company_is_listed_once() {
    let company =
        |id: &str, name: Option<&str>| Company { global_company_id: id.to_owned(), name: name.map(str::to_owned) };
    let answer = json!({"imsUserId": "x", "imsOrgs": [
        {"imsOrgId": "a", "companies": [{"globalCompanyId": "one", "companyName": "One"}, {"companyName": "none"}]},
        {"imsOrgId": "b", "companies": [{"globalCompanyId": "one"}, {"globalCompanyId": "two"}]},
        {"imsOrgId": "c"},
    ]});
    assert_eq!(companies(&answer).unwrap(), [company("one", Some("One")), company("two", None)]);
    assert_eq!(companies(&json!({"imsOrgs": []})).unwrap(), []);
    assert_eq!(companies(&json!({"imsUserId": "x"})), None);
    assert_eq!(companies(&json!([])), None);
}

fn any_json() -> impl Strategy<Value = Value> {
    let keys = [FILE_NAME, ROWS, JOB_ID, STATUS, CREATED, ["jobs", "page"], ["total_pages", "other"]].concat();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        let key = proptest::sample::select(keys.clone());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..8)
                .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_panics(value in any_json()) {
        let _ = job(&value);
        if let Some(page) = page(&value) {
            prop_assert!(page.jobs.iter().all(|job| job.remote_job_id.0 > 0));
        }
    }
}

#[test]
fn each_dialect_is_known() {
    let read = |body: &str| ErrorBody::read(body.as_bytes());
    assert_eq!(
        read(r#"{"error_code":"429050","message":"Too many requests"}"#),
        ErrorBody::Gateway { code: "429050".into(), message: "Too many requests".into() }
    );
    assert_eq!(read(r#"{"error_code":403010,"message":null}"#).to_string(), "no explanation (403010)");
    let service = read(r#"{"errorCode":"invalid_token","errorDescription":"no","errorId":"auth-1"}"#);
    assert_eq!(service.to_string(), "no (invalid_token), error ID auth-1");
    assert_eq!(
        read(r#"{"success":false,"message":"no such account"}"#),
        ErrorBody::Service { code: None, message: "no such account".into(), id: None }
    );
    assert_eq!(
        read(r#"{"error":"invalid_client","error_description":"The client credentials are invalid"}"#).to_string(),
        "invalid_client: The client credentials are invalid"
    );
    assert_eq!(
        read(r#"{"error":"internal_error"}"#),
        ErrorBody::Ims { error: "internal_error".into(), description: String::new() }
    );
    let sentence = "An internal server error occurred: HTTP 400 Bad Request";
    assert_eq!(
        read(&json!({ "error": sentence }).to_string()),
        ErrorBody::Service { code: None, message: sentence.into(), id: None }
    );
    assert!(matches!(read(r#"{"status":400,"error":"Bad Request","path":"/x"}"#), ErrorBody::Other(_)));
    assert!(matches!(read("[]"), ErrorBody::Other(_)));
}

#[test]
fn a_secret_that_an_answer_repeats_is_taken_out_in_every_form() {
    let hidden = |body: &str, secret: &str| {
        let mut body = body.as_bytes().to_vec();
        hide(&mut body, secret.as_bytes());
        String::from_utf8(body).unwrap()
    };
    assert_eq!(hidden("a p8s&cr+et! b p8s&cr+et!", "p8s&cr+et!"), "a *** b ***");
    assert_eq!(hidden("client_secret=p8s%26cr%2Bet%21&x", "p8s&cr+et!"), "client_secret=***&x");
    assert_eq!(hidden("nothing of it", "p8s&cr+et!"), "nothing of it");
    assert_eq!(hidden("", "p8s&cr+et!"), "");
    assert_eq!(hidden("short words stay", "words"), "short words stay");
}

#[test]
fn other_texts_are_cut_and_cleaned() {
    let long = format!("Bad\u{1b}[31m\r\n\tGateway {}", "x".repeat(1000));
    let text = ErrorBody::read(long.as_bytes()).to_string();
    assert!(text.starts_with("Bad [31m Gateway xxx"), "{text}");
    assert_eq!(text.chars().count(), EXCERPT);
    let page = "a page of a proxy or gateway on the way, and no answer of Adobe's: ";
    for (html, words) in [
        ("<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>x</body>", "502 Bad Gateway"),
        ("<html>\r\n\t<h1>Bad\u{1b}[31m Gateway</h1>", "Bad [31m Gateway"),
        ("<HTML><TITLE></TITLE><p>Sorry", "Sorry"),
        ("<html>", "no explanation"),
    ] {
        assert_eq!(ErrorBody::read(html.as_bytes()).to_string(), format!("{page}{words}"), "{html}");
    }
    assert_eq!(ErrorBody::read(b"").to_string(), "no explanation");
    assert_eq!(ErrorBody::read(&[0xff, 0xfe]).to_string(), "\u{fffd}\u{fffd}");
}

proptest! {
    #[test]
    fn no_body_panics_or_leaves_control_characters(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let text = ErrorBody::read(&body).to_string();
        prop_assert!(!text.chars().any(char::is_control));
    }
}
