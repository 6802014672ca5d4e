//! The application: it asks persons, pushes its questions again, and reads what became of them.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::text::Message;
use countersign_domain::world::Clock as _;
use countersign_verify::Caller;
use countersign_verify::challenges::NewChallenge;

use crate::dice::Dice;
use crate::history::Event;
use crate::person::Person;
use crate::world::World;

/// Questions after the faults, while devices come back. They must all arrive.
const LAST_QUESTIONS: usize = 6;

/// Asks a person again and again while faults last, and a few times more right after them.
pub(crate) async fn ask(world: Arc<World>, person: Arc<Person>, dice: Dice) {
    while world.storm_for(dice.millis(300, 20_000)).await {
        tokio::spawn(ask_once(Arc::clone(&world), Arc::clone(&person), dice.clone()));
    }
    for _ in 0..LAST_QUESTIONS {
        tokio::time::sleep(dice.millis(5, 700)).await;
        open(&world, &person, &dice, Duration::from_secs(300)).await;
    }
}

async fn ask_once(world: Arc<World>, person: Arc<Person>, dice: Dice) {
    let lifetime = Duration::from_secs(dice.between(5, 300));
    let Some(challenge) = open(&world, &person, &dice, lifetime).await else { return };
    for _ in 0..dice.below(6) {
        if !world.storm_for(dice.millis(0, 8_000)).await {
            break;
        }
        push(&world, &person, &dice, challenge).await;
    }
    for _ in 0..dice.below(3) {
        if !world.storm_for(dice.millis(0, 20_000)).await {
            break;
        }
        read(&world, &person, &dice, challenge).await;
    }
}

async fn open(
    world: &World,
    person: &Person,
    dice: &Dice,
    lifetime: Duration,
) -> Option<ChallengeSid> {
    let node = world.any_node(dice)?;
    let new = NewChallenge {
        expires_at: Some(node.clock.now() + lifetime),
        message: Message::parse("Log in?").ok(),
        fields: Vec::new(),
        hidden_details: None,
        code: None,
        presence: PresenceWish::default(),
    };
    let (verify, account, service) = (Arc::clone(&node.verify), world.account, world.service);
    let (identity, factor) = (person.factor.owner.identity.clone(), person.factor.sid);
    let request =
        async move { verify.create_challenge(account, service, &identity, factor, new).await };
    let opened = world.request(dice, ("open", &node), Box::pin(request)).await?;
    world.note(Event::Opened(opened.sid));
    Some(opened.sid)
}

async fn push(world: &World, person: &Person, dice: &Dice, challenge: ChallengeSid) {
    let Some(node) = world.any_node(dice) else { return };
    let ttl = if dice.chance(250) { 0 } else { u16::try_from(dice.between(1, 300)).unwrap_or(1) };
    let (verify, account, service) = (Arc::clone(&node.verify), world.account, world.service);
    let identity = person.factor.owner.identity.clone();
    let request = async move { verify.notify(account, service, &identity, challenge, ttl).await };
    let pushed = world.request(dice, ("push", &node), Box::pin(request)).await;
    if let Some((_, new)) = pushed {
        world.note(Event::Notified(challenge, new.delivery.notification));
    }
}

async fn read(world: &World, person: &Person, dice: &Dice, challenge: ChallengeSid) {
    let Some(node) = world.any_node(dice) else { return };
    let (verify, account, service) = (Arc::clone(&node.verify), world.account, world.service);
    let identity = person.factor.owner.identity.clone();
    let caller = Caller::Application(account);
    let request = async move { verify.challenge(&caller, service, &identity, challenge).await };
    let began = world.around.recorder.now();
    if let Some(found) = world.request(dice, ("read", &node), Box::pin(request)).await {
        world.note(Event::Read { challenge, status: found.status(node.clock.now()), began });
    }
}
