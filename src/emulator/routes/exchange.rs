//! Carries faults out, around the work of a handler.

use super::App;
use crate::emulator::answers::{self, Refusal};
use crate::emulator::connection::Ending;
use crate::emulator::faults::{Act, Place, When};
use axum::response::Response;
use serde_json::json;

impl App {
    /// What a fault makes of this point; `None` goes on.
    ///
    /// `whole` is the answer that there would be, if there is one yet.
    pub(super) async fn strike(
        &self,
        place: Place,
        when: When,
        name: Option<&str>,
        whole: impl FnOnce() -> Option<Response>,
    ) -> Option<Response> {
        let decision = self.model().faults.decide(place, when, name);
        if !decision.delay.is_zero() {
            tokio::time::sleep(decision.delay).await;
        }
        let act = decision.act?;
        Some(match act {
            Act::Reset => answers::no_answer(Ending::Reset),
            // The client's end of the connection ends this, by dropping it.
            Act::Hang => std::future::pending().await,
            Act::Garbage => answers::no_answer(answers::garbage()),
            Act::Truncated => {
                let whole = whole().unwrap_or_else(|| answers::json_answer(&json!({ "status": "unknown" })));
                answers::no_answer(answers::truncated(whole, &self.clock.http_date()).await)
            }
            Act::Html => answers::page("Welcome"),
            Act::NoId => answers::json_answer(&json!({ "message": "Operation successful" })),
            Act::Answer { status, retry_after, words } => {
                self.answer(Err(Refusal::by_fault(status, retry_after, words)))
            }
        })
    }

    /// A request without content worth a fault of its own: everything but uploads.
    pub(super) async fn exchange(
        &self,
        admitted: Result<(), Refusal>,
        place: Place,
        work: impl FnOnce() -> Result<Response, Refusal>,
    ) -> Response {
        if let Err(refusal) = admitted {
            return self.answer(Err(refusal));
        }
        for when in [When::BeforeBody, When::AfterBody] {
            if let Some(struck) = self.strike(place, when, None, || None).await {
                return struck;
            }
        }
        let mut answer = Some(self.answer(work()));
        let struck = self.strike(place, When::AfterCommit, None, || answer.take()).await;
        // An answer that was taken was also used: only `truncated` takes it.
        struck.or(answer).unwrap_or_else(|| answers::no_answer(Ending::Reset))
    }
}
