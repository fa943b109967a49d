//! A test alert, which the command itself sends to every receiver. It needs no daemon, and leaves no trace in the job
//! log. Each receiver gets it once, without a retry.

use super::deliver::deliver_and_hear;
use super::receivers::{AlertSettings, How, Receiver};
use super::{bodies, message};
use crate::job::{Problem, Timestamp};
use std::sync::Arc;
use tokio::task::JoinSet;

/// What a receiver answered to a test alert.
#[derive(Debug)]
pub struct Trial {
    /// The receiver as the configuration counts it, such as `alert #1: webhook`.
    pub receiver: String,
    /// The program, or scheme and host of the URL. Arguments and paths may hold keys.
    pub target: String,
    /// The answer of a receiver that took it, or why it does not count as delivered.
    pub answer: Result<String, Problem>,
}

/// Sends a test alert to every receiver, each within the time limit of a delivery (30 s). Returns the answers in the
/// order of the configuration.
pub async fn send_test(settings: AlertSettings, now: Timestamp) -> Vec<Trial> {
    let settings = Arc::new(settings);
    let mut sending = JoinSet::new();
    for index in 0..settings.receivers.len() {
        let settings = Arc::clone(&settings);
        sending.spawn(async move {
            let Receiver { name, how, form } = settings.receivers.get(index)?;
            let body = bodies::render(&message::compose_test(&settings.sender, now), form);
            let answer = deliver_and_hear(how, body, &settings.client).await;
            let answer = answer.map_err(|why| Problem::new(why, remedy(name, how)));
            Some((index, Trial { receiver: name.clone(), target: how.to_string(), answer }))
        });
    }
    let mut trials: Vec<(usize, Trial)> = Vec::new();
    while let Some(end) = sending.join_next().await {
        if let Ok(Some(trial)) = end {
            trials.push(trial);
        }
    }
    trials.sort_by_key(|(index, _)| *index);
    trials.into_iter().map(|(_, trial)| trial).collect()
}

/// The remedy if a receiver did not take it.
fn remedy(name: &str, how: &How) -> String {
    let section = name.split(':').next().unwrap_or(name);
    match how {
        How::Command(_) => format!(
            "correct `command` of {section}: a program that the service's user may run, and that ends with exit status 0"
        ),
        How::Webhook(_) => format!(
            "compare `webhook` of {section} with what the receiver gave you, and see that this machine reaches its host \
             (`api.proxy`)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_names_the_section_and_the_key() {
        let command = remedy("alert #2: command", &How::Command(vec!["/bin/x".to_owned()]));
        assert!(command.starts_with("correct `command` of alert #2: "), "{command}");
        let webhook = remedy("alert #3: webhook", &How::Webhook("https://a.example/k3y".to_owned().into()));
        assert!(webhook.contains("`webhook` of alert #3 ") && !webhook.contains("k3y"), "{webhook}");
    }
}
