//! Makes trouble while faults last: kills, stops, holds and cuts off nodes, and takes the database away. Mends what it broke.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::Link;

use crate::dice::Dice;
use crate::history::Event;
use crate::world::World;

/// Begins all trouble that the plan of the run has; resolves when faults have ended and all is mended.
pub(crate) async fn make(world: &Arc<World>) {
    let plan = Arc::clone(&world.around.weather.plan);
    let dice = |part| Dice::of(world.around.seed, part);
    let crashes = async {
        if plan.crashes {
            crash_nodes(world, &dice(20)).await;
        }
    };
    let pauses = async {
        if plan.pauses {
            pause_nodes(world, &dice(21)).await;
        }
    };
    let partitions = async {
        if plan.partitions {
            cut_nodes_off(world, &dice(22)).await;
        }
    };
    let outages = async {
        if plan.outages {
            take_database(world, &dice(23)).await;
        }
    };
    tokio::join!(crashes, pauses, partitions, outages);
}

fn place(world: &World, dice: &Dice) -> usize {
    usize::try_from(dice.below(world.places() as u64)).unwrap_or(0)
}

async fn crash_nodes(world: &Arc<World>, dice: &Dice) {
    while world.storm_for(dice.millis(4_000, 40_000)).await {
        let place = place(world, dice);
        let Some(node) = world.take_node(place) else { continue };
        if dice.chance(400) {
            let world = Arc::clone(world);
            node.stopping.cancel();
            let _ = tokio::spawn(async move { node.stop(&world.around).await }).await;
        } else {
            node.kill(&world.around);
            drop(node);
        }
        world.storm_for(dice.millis(50, 15_000)).await;
        world.start_node(place);
    }
}

async fn pause_nodes(world: &Arc<World>, dice: &Dice) {
    while world.storm_for(dice.millis(3_000, 30_000)).await {
        let Some(node) = world.node_at(place(world, dice)) else { continue };
        node.gate.pause(true);
        world.note(Event::Paused(node.run));
        let span =
            if dice.chance(500) { dice.millis(100, 3_000) } else { dice.millis(3_000, 30_000) };
        world.storm_for(span).await;
        world.note(Event::Resumed(node.run));
        node.gate.pause(false);
    }
}

async fn cut_nodes_off(world: &Arc<World>, dice: &Dice) {
    while world.storm_for(dice.millis(3_000, 30_000)).await {
        let Some(node) = world.node_at(place(world, dice)) else { continue };
        world.around.network.set_link(node.run, Link::Down);
        world.note(Event::Link(node.run, false));
        world.storm_for(dice.millis(300, 25_000)).await;
        world.around.network.set_link(node.run, Link::Up);
        world.note(Event::Link(node.run, true));
    }
}

async fn take_database(world: &Arc<World>, dice: &Dice) {
    while world.storm_for(dice.millis(5_000, 50_000)).await {
        world.around.weather.set_outage(true);
        world.note(Event::Outage(true));
        world.storm_for(Duration::from_millis(dice.between(100, 9_000))).await;
        world.around.weather.set_outage(false);
        world.note(Event::Outage(false));
    }
}
