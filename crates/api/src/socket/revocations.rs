//! Ends the streams of revoked devices: those of services and accounts that ended, and of deleted factors.
//!
//! The deletion of a factor or an entity is announced to its sockets by name. A service can have any number of sockets on any
//! node, so each node checks its own: at once when a service or an account has changed, and periodically, because announcements
//! between nodes can be lost. For the same reason, the factors that have sockets here are looked up once a minute, many with
//! one read.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_bus::Changed;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_verify::services::ServiceStatus;
use tokio::sync::Notify;

use super::context::SocketContext;

/// Interval of checks for services that ended without an announcement.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Interval of checks for factors that ended without an announcement, and the number that one read looks up. Other work runs in
/// between.
const LOOK_FOR_FACTORS_EVERY: Duration = Duration::from_secs(60);
const FACTORS_AT_ONCE: usize = 500;
const PAUSE: Duration = Duration::from_millis(50);

/// Ends the streams of services that are gone or closed, until the process stops. Must be called once, within a runtime.
pub fn watch_revocations(context: &Arc<SocketContext>) {
    let changes = Arc::new(Changes::default());
    context.bus.listen({
        let changes = Arc::clone(&changes);
        Box::new(move |changed| changes.note(changed))
    });
    let context = Arc::clone(context);
    tokio::spawn(async move {
        let shutdown = context.shutdown.clone();
        let both = async { tokio::join!(watch(&context, &changes), watch_factors(&context)) };
        shutdown.run_until_cancelled(both).await;
    });
}

/// The services and accounts that changed since the last check. Bounded, because each check empties it.
#[derive(Default)]
struct Changes {
    services: Mutex<HashSet<ServiceSid>>,
    accounts: Mutex<HashSet<AccountSid>>,
    news: Notify,
}

impl Changes {
    fn note(&self, changed: Changed) {
        match changed {
            Changed::Service(sid) => insert(&self.services, sid),
            Changed::Account(sid) => insert(&self.accounts, sid),
            Changed::ApiKey(_)
            | Changed::Credential(_)
            | Changed::Entity(_)
            | Changed::Factor(_)
            | Changed::Integration(_) => return,
        }
        self.news.notify_one();
    }
}

fn insert<T: Eq + std::hash::Hash>(set: &Mutex<HashSet<T>>, item: T) {
    set.lock().unwrap_or_else(PoisonError::into_inner).insert(item);
}

fn take<T>(set: &Mutex<HashSet<T>>) -> HashSet<T> {
    std::mem::take(&mut set.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn watch(context: &SocketContext, changes: &Changes) {
    let clock = &*context.clock;
    let mut round = clock.monotonic() + LOOK_EVERY;
    loop {
        let is_news = tokio::select! {
            biased;
            () = clock.sleep(round.since(clock.monotonic())) => false,
            () = changes.news.notified() => true,
        };
        if !is_news {
            round = clock.monotonic() + LOOK_EVERY;
        }
        let (services, accounts) = (take(&changes.services), take(&changes.accounts));
        for (service, account) in context.open_sockets.services() {
            if is_news && !services.contains(&service) && !accounts.contains(&account) {
                continue;
            }
            // While the database cannot tell, the streams continue.
            if let Ok(ServiceStatus::Deleted | ServiceStatus::Suspended) =
                context.auth.standing(account, service).await
            {
                for device in context.open_sockets.devices(service) {
                    context.bus.dismiss(device).await;
                }
            }
        }
    }
}

/// Ends the streams of factors that are deleted or have another platform now.
async fn watch_factors(context: &SocketContext) {
    loop {
        context.clock.sleep(LOOK_FOR_FACTORS_EVERY).await;
        for factors in context.open_sockets.all().chunks(FACTORS_AT_ONCE) {
            // While the database cannot tell, the streams continue.
            for factor in context.auth.not_streamed(factors).await.unwrap_or_default() {
                context.bus.dismiss(factor).await;
            }
            context.clock.sleep(PAUSE).await;
        }
    }
}
