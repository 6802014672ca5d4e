//! Devices: they connect, leave, vanish and come back at another node, show prompts, and send what their person answers.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::{Attachment, Offer, OfferOutcome, PendingOffer, ToDevice};
use countersign_domain::challenge::Verdict;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_domain::world::Clock as _;
use countersign_verify::Caller;
use countersign_verify::answers::ChallengeUpdate;
use countersign_verify::{VerifyError, VerifyResult};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::bugs::Bug;
use crate::dice::Dice;
use crate::history::Event;
use crate::node::Node;
use crate::person::Person;
use crate::world::World;

/// How long a device has to acknowledge a prompt.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(10);
/// How long a node holds a socket whose device has vanished without a word.
const VANISHED_FOR: Duration = Duration::from_secs(40);
/// The milliseconds that a device waits before it tries another node. A node refuses a second socket within a second.
const BETWEEN_TRIES: (u64, u64) = (1_010, 2_500);

/// Holds the stream of a device: for a while at one node, then for a while at another. Stays once faults have ended.
pub(crate) async fn stream(world: Arc<World>, person: Arc<Person>, dice: Dice) {
    loop {
        if dice.chance(500) {
            world.storm_for(dice.millis(0, 40_000)).await;
        }
        if let Some(node) = world.any_node(&dice) {
            hold(&world, &person, &dice, &node).await;
        }
        tokio::time::sleep(dice.millis(BETWEEN_TRIES.0, BETWEEN_TRIES.1)).await;
    }
}

/// Connects to a node and holds the stream until the device leaves or the node ends it.
async fn hold(world: &Arc<World>, person: &Arc<Person>, dice: &Dice, node: &Arc<Node>) {
    let factor = person.factor.sid;
    let connect = async {
        node.gate.pass().await;
        let announced = world.around.bug == Some(Bug::ConnectedBeforeFound);
        if announced {
            node.handover.connected(factor).await;
            world.around.weather.travel().await;
        }
        let attachment = node.bus.attach(factor, node.clock.monotonic()).await;
        if attachment.is_some() && !announced {
            node.handover.connected(factor).await;
        }
        attachment
    };
    let attached = tokio::select! {
        biased;
        () = node.gate.died() => None,
        attached = connect => attached,
    };
    let Some(mut attachment) = attached else { return };
    world.note(Event::Connected(factor, node.run));
    let ended = CancellationToken::new();
    converse(world, person, dice, node, &mut attachment, &ended).await;
    world.note(Event::Left(factor, node.run));
    if dice.chance(250) {
        tokio::spawn(vanish(attachment, Arc::clone(node), ended));
    } else {
        ended.cancel();
    }
}

async fn converse(
    world: &Arc<World>,
    person: &Arc<Person>,
    dice: &Dice,
    node: &Arc<Node>,
    attachment: &mut Attachment,
    ended: &CancellationToken,
) {
    // The end of faults ends it too: a device that acknowledged nothing is offered it again once it has reconnected.
    let mut life = std::pin::pin!(async {
        if world.weather_is_calm() {
            std::future::pending::<()>().await;
        }
        world.storm_for(dice.millis(500, 60_000)).await;
    });
    loop {
        tokio::select! {
            biased;
            () = node.gate.died() => return,
            () = node.stopping.cancelled() => return,
            _ = &mut attachment.detached => return,
            message = attachment.messages.recv() => match message.map(|message| *message) {
                Some(ToDevice::Offer(pending)) => {
                    let reply = show(
                        (Arc::clone(world), Arc::clone(person), Arc::clone(node)),
                        dice.clone(),
                        pending,
                        ended.clone(),
                    );
                    tokio::spawn(reply);
                }
                Some(ToDevice::AnsweredElsewhere { .. }) => {}
                None => return,
            },
            () = &mut life => return,
        }
    }
}

/// Shows a prompt and acknowledges it, most of the time.
async fn show(
    (world, person, node): (Arc<World>, Arc<Person>, Arc<Node>),
    dice: Dice,
    pending: PendingOffer,
    ended: CancellationToken,
) {
    let PendingOffer { offer: Offer { notification, challenge, factor, .. }, reply } = pending;
    let is_silent = world.around.weather.strikes(100);
    let after = if is_silent { ACKNOWLEDGE_WITHIN } else { dice.millis(10, 600) };
    let outcome = tokio::select! {
        biased;
        () = node.gate.died() => return,
        () = ended.cancelled() => OfferOutcome::Unacknowledged,
        () = tokio::time::sleep(after) => match is_silent {
            true => OfferOutcome::Unacknowledged,
            false => OfferOutcome::Acknowledged,
        },
    };
    if outcome == OfferOutcome::Acknowledged {
        world.note(Event::Shown(factor, notification));
        tokio::spawn(consider(Arc::clone(&world), person, dice, challenge));
    }
    if node.gate.is_alive().await {
        let _ = reply.send(outcome);
    }
}

/// What a node sees of a device that has vanished: nothing, until its socket ends.
async fn vanish(mut attachment: Attachment, node: Arc<Node>, ended: CancellationToken) {
    let silence = async {
        while let Some(message) = attachment.messages.recv().await {
            if let ToDevice::Offer(pending) = *message {
                let ended = ended.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = ended.cancelled() => {}
                        () = tokio::time::sleep(ACKNOWLEDGE_WITHIN) => {}
                    }
                    let _ = pending.reply.send(OfferOutcome::Unacknowledged);
                });
            }
        }
    };
    tokio::select! {
        biased;
        () = node.gate.died() => {}
        _ = &mut attachment.detached => {}
        () = tokio::time::sleep(VANISHED_FOR) => {}
        () = silence => {}
    }
    ended.cancel();
}

/// Brings what the push service takes to the devices.
pub(crate) async fn receive_pushes(
    world: Arc<World>,
    mut taken: mpsc::UnboundedReceiver<(FactorSid, ChallengeSid)>,
    dice: Dice,
) {
    while let Some((factor, challenge)) = taken.recv().await {
        let person = world.people.iter().find(|person| person.factor.sid == factor);
        let Some(person) = person.cloned() else { continue };
        let (world, dice) = (Arc::clone(&world), dice.clone());
        tokio::spawn(async move {
            tokio::time::sleep(dice.millis(50, 3_000)).await;
            consider(world, person, dice, challenge).await;
        });
    }
}

/// The person thinks, and answers; sometimes twice, and not the same.
async fn consider(world: Arc<World>, person: Arc<Person>, dice: Dice, challenge: ChallengeSid) {
    if world.weather_is_calm() || !dice.chance(500) {
        return;
    }
    tokio::time::sleep(dice.millis(100, 12_000)).await;
    let verdict = if dice.chance(500) { Verdict::Approved } else { Verdict::Denied };
    if dice.chance(300) {
        let other = match verdict {
            Verdict::Approved => Verdict::Denied,
            Verdict::Denied => Verdict::Approved,
        };
        let (world, person, dice) = (Arc::clone(&world), Arc::clone(&person), dice.clone());
        tokio::spawn(async move { answer(&world, &person, &dice, challenge, other).await });
    }
    answer(&world, &person, &dice, challenge, verdict).await;
}

async fn answer(
    world: &World,
    person: &Arc<Person>,
    dice: &Dice,
    challenge: ChallengeSid,
    verdict: Verdict,
) -> Option<()> {
    let (service, identity) = (world.service, person.factor.owner.identity.clone());
    let node = world.any_node(dice)?;
    let token = person.token(world.around.time.now()).ok()?;
    let request = {
        let (node, identity, token) = (Arc::clone(&node), identity.clone(), token.clone());
        async move {
            let caller = authenticate(&node, &token).await?;
            node.verify.challenge(&caller, service, &identity, challenge).await
        }
    };
    let began = world.around.recorder.now();
    let asked = world.request(dice, ("fetch", &node), Box::pin(request)).await?;
    world.note(Event::Read { challenge, status: asked.status(node.clock.now()), began });
    let payload = person.answer(&asked, verdict).ok()?;
    let node = world.any_node(dice)?;
    let request = {
        let node = Arc::clone(&node);
        async move {
            let caller = authenticate(&node, &token).await?;
            let update =
                ChallengeUpdate { auth_payload: Some(payload), ..ChallengeUpdate::default() };
            node.verify.update_challenge(&caller, service, &identity, challenge, update).await
        }
    };
    world.note(Event::AnswerSent(challenge, verdict));
    world.request(dice, ("answer", &node), Box::pin(request)).await?;
    world.note(Event::AnswerTaken(challenge, verdict));
    Some(())
}

async fn authenticate(node: &Node, token: &str) -> VerifyResult<Caller> {
    let authenticated = node.verify.authenticate_device(token).await;
    let (factor, _) = authenticated.map_err(|_| VerifyError::Forbidden)?;
    Ok(Caller::Device(Box::new(factor)))
}
