//! Takes what is handed over, at once, as long as there is room in hand.

use std::sync::Arc;

use countersign_bus::Work;
use tokio::sync::{mpsc, oneshot};

use crate::shared::Shared;
use crate::{attempt, replay};

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
            Some(Work::Attempt(lease)) => {
                attempt::begin(&shared, *lease, hold.into());
            }
            Some(Work::Connected(factor)) => {
                shared.visits.connected(factor);
                replay::want(&shared, factor);
            }
            None => return,
        }
    }
}
