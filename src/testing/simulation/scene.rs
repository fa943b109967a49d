//! Where stories are played.

use super::course::{WALL, World, lock, words};
use super::other_side::Remote;
use super::process::ACCOUNT;
use super::promises::{Checked, broken};
use super::script::{Chance, Plan};
use super::story::Figures;
use crate::adobe::{Budget, Client};
use crate::config::{AccountConfig, ApiConfig, Credential, load_text};
use crate::testing::reach::Point;
use crate::testing::surroundings;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

/// What stories of one thread share: it costs to make.
pub(super) struct Scene {
    pub(super) client: Arc<Client>,
    pub(super) remote: Arc<Mutex<Remote>>,
    pub(super) runtime: Runtime,
    account: AccountConfig,
}

impl Scene {
    pub(super) fn new() -> Self {
        let api = ApiConfig {
            base_url: "http://127.0.0.1:9/api".to_owned(),
            token_url: "http://127.0.0.1:9/ims/token/v3".to_owned(),
            global_company_id: "examplecompany".to_owned(),
            client_id: "0123456789abcdef".to_owned(),
            credential: Credential::Token("t0ken".into()),
            scopes: Vec::new(),
            path_segment: "datasources".to_owned(),
            rate_limit: None,
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            proxy: None,
            ca_file: None,
            allow_http: false,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mut client = {
            let _inside = runtime.enter();
            Client::new(&api, Arc::new(Budget::new(None, false))).unwrap()
        };
        let remote = Arc::new(Mutex::new(Remote::new(&Plan::new(0).rules, Chance(0), WALL)));
        let other_side = Arc::clone(&remote);
        client.stand_in(move |call| {
            let other_side = Arc::clone(&other_side);
            Box::pin(async move {
                surroundings::passing(Point::BeforeRequest);
                let (at, came) = lock(&other_side).ask(call);
                surroundings::until(at).await;
                came
            })
        });
        let text = format!(
            "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s\"\n[[account]]\nname = \"{ACCOUNT}\"\n\
             report_suite_id = \"r\"\ndata_source_id = 1\nfolder = \"/nowhere\"\n"
        );
        let account = load_text("simulation", &text, []).unwrap().accounts.remove(0);
        Self { client: Arc::new(client), remote, runtime, account }
    }

    /// The account as a command reads it.
    pub(super) fn account(&self, folder: &Path) -> AccountConfig {
        AccountConfig { folder: folder.to_owned(), ..self.account.clone() }
    }

    /// Plays a plan to its end.
    pub(super) fn play(&self, plan: &Plan, told: bool) -> Played {
        *lock(&self.remote) = Remote::new(&plan.rules, Chance(plan.seed ^ 0x5eed), WALL);
        surroundings::begin(surroundings::Surroundings {
            wall_ahead: WALL,
            chance: plan.seed,
            inodes_of_paths: plan.rules.inodes_of_paths,
            ..surroundings::Surroundings::default()
        });
        let _inside = self.runtime.enter();
        let mut world = World::new(self, plan, told);
        let ended = catch_unwind(AssertUnwindSafe(|| world.run()))
            .unwrap_or_else(|defect| broken("no panic", words(defect.as_ref())));
        world.process = None;
        let figures = world.figures();
        surroundings::end();
        Played { ended, figures, lines: world.story.lines }
    }
}

/// A story that was played.
pub(super) struct Played {
    pub(super) ended: Checked,
    pub(super) figures: Figures,
    pub(super) lines: Vec<String>,
}
