//! Takes what is handed over, at once, as long as there is room in hand.

use std::sync::Arc;

use countersign_bus::Work;
use countersign_domain::sid::FactorSid;
use tokio::sync::{mpsc, oneshot};

use crate::shared::{Shared, Start};
use crate::{attempt, replay};

/// The most that begin together.
const BATCH: usize = 64;

/// Somebody wants to know when all that came before has begun.
pub(crate) type Question = oneshot::Sender<()>;

/// Takes until the engine stops; then what was handed over before that, and no more.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut work: mpsc::Receiver<Work>,
    mut questions: mpsc::Receiver<Question>,
) {
    let mut stopping = false;
    let mut asked: Option<Question> = None;
    loop {
        // Room first: what cannot be begun stays in the queue, and when that is full, deliveries are born due.
        let Ok(hold) = Arc::clone(&shared.room).acquire_owned().await else {
            return;
        };
        let next = if let Some(question) = asked.take() {
            // Only now is it certain that the queue is looked at after the question came.
            let Ok(next) = work.try_recv() else {
                let _ = question.send(());
                continue;
            };
            asked = Some(question);
            Some(next)
        } else {
            tokio::select! {
                biased;
                () = shared.stop.cancelled(), if !stopping => {
                    stopping = true;
                    work.close();
                    continue;
                }
                next = work.recv() => next,
                Some(question) = questions.recv() => {
                    asked = Some(question);
                    continue;
                }
            }
        };
        match next {
            Some(Work::Attempt(leased)) => {
                let mut batch = vec![Start { leased: *leased, hold: hold.into() }];
                // Whoever else can run now may be about to hand over more. There is no timer: nobody waits for anything
                // but the processor.
                tokio::task::yield_now().await;
                gather(&shared, &mut work, &mut batch);
                attempt::begin(&shared, batch);
            }
            Some(Work::Connected(factor)) => connected(&shared, factor),
            None => return,
        }
    }
}

/// Takes what else was handed over, as far as there is room.
fn gather(shared: &Arc<Shared>, work: &mut mpsc::Receiver<Work>, batch: &mut Vec<Start>) {
    while batch.len() < BATCH
        && let Ok(hold) = Arc::clone(&shared.room).try_acquire_owned()
        && let Ok(next) = work.try_recv()
    {
        match next {
            Work::Attempt(leased) => batch.push(Start { leased: *leased, hold: hold.into() }),
            Work::Connected(factor) => connected(shared, factor),
        }
    }
}

fn connected(shared: &Arc<Shared>, factor: FactorSid) {
    shared.visits.connected(factor);
    replay::want(shared, factor);
}
