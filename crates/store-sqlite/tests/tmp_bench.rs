use countersign_domain::delivery::*;
use countersign_domain::notification::Ending;
use countersign_store::Store;
use countersign_store::conformance::Stage;
use countersign_store_sqlite::*;
use std::sync::Arc;
use std::time::Instant as Mono;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bench() {
    let folder = tempfile::tempdir_in("/work/main/target").unwrap();
    let store =
        Arc::new(SqliteStore::open(folder.path().join("s.db"), Options::default()).unwrap());
    let stage = Stage::new(store.clone() as Arc<dyn Store>);
    let mut challenges = Vec::new();
    for _ in 0..8 {
        let f = stage.factor().await;
        for _ in 0..8 {
            challenges.push(stage.challenge(&f).await);
        }
    }
    for mode in ["notify", "notify+settle"] {
        let t = Mono::now();
        let n = 1500;
        let mut set = tokio::task::JoinSet::new();
        for k in 0..64 {
            let stage = stage.clone();
            let c = challenges[k].clone();
            set.spawn(async move {
                for i in 0..n {
                    if i % 3 == 0 {
                        stage.make.clock.advance(std::time::Duration::from_micros(20));
                    }
                    let new =
                        stage.make.notification(&c, 300, Birth::Leased { until: stage.later(30) });
                    stage.store.notify(&new, 0).await.unwrap();
                    if mode == "notify+settle" {
                        let l = new.lease().unwrap();
                        stage
                            .settle(
                                &l,
                                stage.attempted(
                                    Outcome::Acknowledged,
                                    After::Done(Ending::DELIVERED),
                                ),
                            )
                            .await;
                    }
                }
            });
        }
        set.join_all().await;
        println!("{mode}: {:.0}/s", 64.0 * n as f64 / t.elapsed().as_secs_f64());
        let t = Mono::now();
        for _ in 0..20000 {
            store.read_challenge(&challenges[3]).await;
        }
        println!("challenge read {:.1} us", t.elapsed().as_secs_f64() * 1e6 / 20000.0);
    }
}
trait R {
    async fn read_challenge(&self, c: &countersign_domain::challenge::Challenge);
}
impl R for SqliteStore {
    async fn read_challenge(&self, c: &countersign_domain::challenge::Challenge) {
        use countersign_store::seam::Challenges;
        self.challenge(c.owner.service, &c.owner.identity, c.sid).await.unwrap().unwrap();
    }
}
