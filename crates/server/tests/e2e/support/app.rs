//! A server with the wiring of the binary and its own database.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_bus::{HandOver, LocalBus};
use countersign_domain::world::Clock;
use countersign_server::config::{Config, Sources};
use countersign_server::database::Database;
use countersign_server::wiring::{Server, unlock, use_cases};
use countersign_server::world::World;
use countersign_store::Store;
use countersign_store::moving::Resealing;
use countersign_testkit::postgres::TestDatabase;
use countersign_testkit::{ManualClock, SeededEntropy, free_port};
use countersign_verify::{Keys, MasterKey, Verify};
use tokio::task::JoinHandle;

use super::api::Caller;

/// A server, an application with an account and a service, and the clock.
pub struct TestApp {
    pub clock: ManualClock,
    pub server: Option<Server>,
    pub account: String,
    pub token: String,
    pub service: String,
    client: reqwest::Client,
    config: Config,
    world: World,
    /// Held also by each request that was begun and has no response.
    unanswered: Arc<()>,
    /// Kept for the length of the test, like the folder.
    pub(super) database: Option<TestDatabase>,
    _folder: tempfile::TempDir,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With settings as after `--set`.
    pub async fn start_with(settings: &[&str]) -> Self {
        let clock = ManualClock::new();
        Self::start_by(clock.clone(), Arc::new(clock), settings).await
    }

    /// A server whose own clock may be wrong about the time that `clock` shows.
    pub async fn start_by(clock: ManualClock, own: Arc<dyn Clock>, settings: &[&str]) -> Self {
        Self::start_for(clock, own, settings, false).await
    }

    /// In test mode, which is for SQLite alone: a tester moves the server's clock, from noon on.
    pub async fn start_in_test_mode(settings: &[&str]) -> Self {
        let clock = ManualClock::new();
        Self::start_for(clock.clone(), Arc::new(clock), settings, true).await
    }

    async fn start_for(
        clock: ManualClock,
        own: Arc<dyn Clock>,
        settings: &[&str],
        in_test_mode: bool,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let entropy = Arc::new(SeededEntropy::new(20_260_101).ordered());
        let world = World { clock: own, entropy, test_mode: None };
        let mut config = configure(folder.path(), settings);
        let database = (on_postgres() && !in_test_mode).then(TestDatabase::new);
        config.database.url = database.as_ref().map(|database| database.url().into());
        let server = open(&config, &world, in_test_mode).await;
        let (account, token) = server.verify.create_account("first").await.expect("an account");
        let mut app = Self {
            clock,
            server: Some(server),
            account: account.sid.to_string(),
            token: token.expose().to_owned(),
            service: String::new(),
            client: client(),
            config,
            world,
            unanswered: Arc::default(),
            database,
            _folder: folder,
        };
        app.service =
            app.api().post("/v2/Services", &[("FriendlyName", "owlbank")]).await.text("sid");
        app
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("a server runs")
    }

    /// SQLite's file.
    pub(super) fn database_file(&self) -> PathBuf {
        self.config.database_file()
    }

    pub fn address(&self) -> SocketAddr {
        self.server().address
    }

    /// Ends the server as a crash would, and starts another over the same database.
    pub async fn crash_and_restart(&mut self) {
        drop(self.server.take());
        self.server = Some(open(&self.config, &self.world, false).await);
    }

    /// Stops the server as SIGTERM would, and starts another over the same database, with one setting changed.
    pub async fn restart_with(&mut self, change: impl FnOnce(&mut Config)) {
        self.server.take().expect("a server runs").stop().await;
        change(&mut self.config);
        self.server = Some(open(&self.config, &self.world, false).await);
    }

    /// Another server with the same configuration, database and clock.
    pub async fn other_node(&self) -> Server {
        let mut config = self.config.clone();
        config.http.listen.set_port(0);
        open(&config, &self.world, false).await
    }

    /// The use cases of another process over the same database, such as `countersign accounts`. Its changes are not announced
    /// to this server.
    pub async fn other_process(&self) -> Verify {
        let database = Database::open(&self.config).await.expect("the database opens twice");
        let (handover, _) = HandOver::new(1);
        let bus = Arc::new(LocalBus::default());
        use_cases(&self.config, &self.world, database.store(), &master_key(), bus, handover)
            .await
            .expect("the same key")
    }

    /// What a statement returns on PostgreSQL; `None` on SQLite.
    pub fn psql(&self, sql: &str) -> Option<String> {
        self.database.as_ref().map(|database| database.psql(sql))
    }

    /// The database, opened past the server.
    pub async fn store(&self) -> Arc<dyn Store> {
        Database::open(&self.config).await.expect("the database opens twice").store()
    }

    /// The database, opened past the server, as what its secrets are sealed anew by; and its keys, as another process knows them.
    pub async fn resealing(&self, key: &MasterKey) -> anyhow::Result<(Arc<dyn Resealing>, Keys)> {
        let database = Database::open(&self.config).await?;
        let keys = unlock(&*database.store(), key, &self.world).await?;
        Ok((database.resealing(), keys))
    }

    /// A server that another process starts with this master key.
    pub async fn other_node_with(&self, key: &MasterKey) -> anyhow::Result<Server> {
        let mut config = self.config.clone();
        config.http.listen.set_port(0);
        let store = Database::open(&config).await?.store();
        let metrics = Arc::new(String::new);
        Box::pin(Server::start(&config, &self.world, store, key, metrics, async |_| Ok(()))).await
    }

    /// The application, with the account's token.
    pub fn api(&self) -> Caller {
        Caller {
            client: self.client.clone(),
            base: format!("http://{}", self.server().address),
            user: self.account.clone(),
            password: self.token.clone(),
        }
    }

    /// A request that waits for news; returns once it waits, or is over. Nothing else may wait meanwhile.
    pub async fn begin<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let unanswered = self.unanswered.clone();
        let begun = tokio::spawn(async move {
            let response = request.await;
            drop(unanswered);
            response
        });
        while self.server().requests.waiting() + 1 != Arc::strong_count(&self.unanswered) {
            tokio::task::yield_now().await;
        }
        begun
    }

    /// The number of requests of the account in work, this one included.
    pub async fn serving(&self) -> usize {
        let reply = self.api().get("/v2/Services?PageSize=1").await;
        reply.header("twilio-concurrent-requests").parse().expect("a number")
    }

    /// A second account's application.
    pub async fn stranger(&self) -> Caller {
        let (account, token) = self.server().verify.create_account("other").await.expect("one");
        self.api().with(&account.sid.to_string(), token.expose())
    }

    pub fn entity(&self, identity: &str) -> String {
        format!("/v2/Services/{}/Entities/{identity}", self.service)
    }

    /// Advances the clock, and delivers everything that falls due.
    pub async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        self.deliver_everything().await;
    }

    /// Waits until everything that is due has been delivered, and the results are stored.
    pub async fn deliver_everything(&self) {
        self.server().engine.idle().await;
    }
}

/// Whether the tests run on PostgreSQL instead of SQLite.
pub fn on_postgres() -> bool {
    std::env::var("COUNTERSIGN_TEST_DATABASE").is_ok_and(|word| word == "postgres")
}

fn configure(folder: &Path, settings: &[&str]) -> Config {
    let mut all = vec![
        format!("data_dir={}", folder.display()),
        // Nobody else gets it while a server restarts.
        format!("http.listen=127.0.0.1:{}", free_port()),
        "http.shutdown_seconds=2".to_owned(),
        // A command that waits on a busy machine is no fault.
        "database.timeout_seconds=60".to_owned(),
    ];
    all.extend(settings.iter().map(|setting| (*setting).to_owned()));
    Config::load(&Sources { file: None, environment: HashMap::new(), settings: all })
        .expect("a configuration")
}

async fn open(config: &Config, world: &World, in_test_mode: bool) -> Server {
    let database = match in_test_mode {
        true => Database::open_for_tests(config).await,
        false => Database::open_for_people(config).await,
    };
    let database = database.expect("the database opens");
    let world = match in_test_mode {
        true => database.world(world, true).await.expect("a world"),
        false => world.clone(),
    };
    let store = database.store();
    let key = master_key();
    for _ in 0..1_000 {
        let started = Box::pin(Server::start(
            config,
            &world,
            Arc::clone(&store),
            &key,
            Arc::new(String::new),
            async |_| Ok(()),
        ));
        match started.await {
            Ok(server) => return server,
            // The previous server still holds the address.
            Err(error) if format!("{error:#}").contains("cannot listen") => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("it starts: {error:#}"),
        }
    }
    panic!("the address stays taken");
}

pub fn master_key() -> MasterKey {
    MasterKey::new([1; 32])
}

fn client() -> reqwest::Client {
    // No test uses TLS, and reading the system's certificates takes longer than most of them.
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    builder.build().expect("a client")
}
