//! Responses that differ from Adobe's documents but still have a clear meaning. datadrop accepts them, no file waits
//! because of them, and the token service gets no more requests than it allows.

use crate::harness::{Act, Answer, Head, Manner, World, arrived_once, data, primed, tagged};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn p7_json_is_read_inside_any_wrapping() {
    type Wrap = fn(Answer) -> Answer;
    let wraps: [(&str, Wrap); 5] = [
        ("mark", |answer| Answer { body: [b"\xef\xbb\xbf", answer.body.as_slice()].concat(), ..answer }),
        ("space", |answer| Answer { body: [b" \r\n\t", answer.body.as_slice(), b"\n \n"].concat(), ..answer }),
        ("mark and space", |answer| Answer { body: [b"\n\xef\xbb\xbf\n", answer.body.as_slice()].concat(), ..answer }),
        ("gzip", |mut answer| {
            answer.headers.push("content-encoding: gzip".to_owned());
            Answer { body: gzip(&answer.body), ..answer }
        }),
        ("gzip that no header announces", |answer| Answer { body: gzip(&answer.body), ..answer }),
    ];
    for (what, wrap) in wraps {
        let mut world = World::new();
        let relay = world.relay("http", Manner::default(), move |_| Act::change(wrap));
        let _daemon = primed(&world);
        world.drop_file("a", "sales.txt", data(3));
        assert_eq!(arrived_once(&world, "sales.txt").attempts, 1, "{what}");
        assert_eq!((world.jobs()[0].attempts, relay.count(Head::is_token)), (1, 1), "{what}");
        assert_eq!(world.blocked("a"), "", "{what}");
    }
}

#[test]
fn p7_numbers_as_fractions_or_text_are_the_same_numbers() {
    type Form = fn(i64) -> Value;
    let forms: [(&str, Form); 3] = [
        ("fractions", |number| serde_json::from_str(&format!("{number}.0")).unwrap()),
        ("text", |number| json!(number.to_string())),
        ("fractions in text", |number| json!(format!(" {number}.00 "))),
    ];
    for (what, form) in forms {
        let mut world = World::new();
        let rewrite = move |object: &mut Value| {
            for value in object.as_object_mut().unwrap().values_mut() {
                if let Some(number) = value.as_i64() {
                    *value = form(number);
                }
            }
        };
        let _relay = world.relay("http", Manner::default(), move |head| {
            let (is_list, is_job) = (head.is_list(), head.is_upload() || head.is_single());
            Act::change(move |answer| {
                answer.change(|value| {
                    if is_list {
                        for job in value["jobs"].as_array_mut().unwrap() {
                            rewrite(job);
                        }
                    }
                    if is_list || is_job {
                        rewrite(value);
                    }
                })
            })
        });
        let _daemon = primed(&world);
        world.drop_file("a", "sales.txt", data(100));
        let job = arrived_once(&world, "sales.txt");
        assert_eq!((job.attempts, job.rows_processed), (1, Some(100)), "{what}");
        assert_eq!(job.remote_job_id, Some(world.ledger()[1].job_id.0), "{what}");
    }
}

/// A world whose token service answers by `act`, which gets the number of the request. Also returns the time of each
/// request.
fn token_service(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> (World, Arc<Mutex<Vec<Instant>>>) {
    let mut world = World::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&asked);
    world.relay("http", Manner::default(), move |head| {
        if !head.is_token() {
            return Act::Pass;
        }
        let mut times = times.lock().unwrap();
        times.push(Instant::now());
        act(times.len())
    });
    (world, asked)
}

#[test]
fn a_pause_of_the_token_service_applies_to_all_requests_and_blocks_no_account() {
    for (status, wait, body) in [
        (429, "2", r#"{"error":"too_many_requests","error_description":"slow down"}"#),
        (503, "1.5", "<html>busy</html>"),
        (429, "1.5", r#"{"error_code":"429050","message":"Too many requests"}"#),
    ] {
        let (mut world, asked) = token_service(move |number| {
            if number > 1 {
                return Act::Pass;
            }
            let mut answer = Answer::new(status, body);
            answer.headers.push(format!("retry-after: {wait}"));
            Act::Say(answer)
        });
        world.account("b", "");
        let daemon = world.start_unready();
        for account in ["a", "b"] {
            world.drop_file(account, "sales.txt", tagged(account));
        }
        world.wait("both to arrive", || world.count("state = 'success'") == 2);
        daemon.wait_ready();
        let asked = asked.lock().unwrap().clone();
        let pause = Duration::from_secs_f64(wait.parse().unwrap());
        assert_eq!(asked.len(), 2, "{status}");
        assert!(asked[1].duration_since(asked[0]) >= pause, "{status}: {:?}", asked[1].duration_since(asked[0]));
        assert!(!world.log().contains("is blocked"), "{status}: {}", world.log());
    }
}

#[test]
fn one_token_serves_many_requests_whatever_its_stated_life() {
    for life in [
        Value::Null,
        json!("86399"),
        json!(86_399.5),
        json!(0),
        json!("0"),
        json!(-5),
        json!(1e30),
        json!("soon"),
        json!(""),
        json!([600]),
    ] {
        let said = life.clone();
        let (world, asked) = token_service(move |_| {
            let said = said.clone();
            Act::change(move |answer| answer.change(|granted| granted["expires_in"] = said))
        });
        let _daemon = primed(&world);
        for number in 0..3 {
            let name = format!("sales-{number}.txt");
            world.drop_file("a", &name, tagged(number));
            assert_eq!(arrived_once(&world, &name).attempts, 1, "{life}");
        }
        assert_eq!(asked.lock().unwrap().len(), 1, "{life}");
    }
}

#[test]
fn answers_of_others_than_the_token_service_block_no_account() {
    const BODIES: [(u16, &str); 3] = [
        (500, r#"{"error":"internal_error"}"#),
        (500, r#"{"error":"An internal server error occurred: HTTP 400 Bad Request"}"#),
        (400, r#"{"error":"An internal server error occurred: HTTP 400 Bad Request"}"#),
    ];
    let (world, asked) = token_service(|number| match BODIES.get(number - 1) {
        Some((status, body)) => Act::Say(Answer::new(*status, *body)),
        None => Act::Pass,
    });
    let _daemon = world.start_unready();
    world.drop_file("a", "sales.txt", data(3));
    assert_eq!(arrived_once(&world, "sales.txt").attempts, 1);
    assert!(asked.lock().unwrap().len() > BODIES.len());
    assert!(!world.log().contains("is blocked"), "{}", world.log());
}
