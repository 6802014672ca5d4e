//! The values that all parts share: the scale, the servers and the report.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use crate::backing::{Backing, fresh_folder};
use crate::floor::{Floor, Kind};
use crate::load::{self, Load, Plan};
use crate::pace::Pace;
use crate::report::Report;
use crate::server::{Installation, Server};

/// The scale of everything. The defaults of the command line, or tiny.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) repeats: usize,
    pub(crate) warm: Duration,
    pub(crate) window: Duration,
    /// Entities with a device each.
    pub(crate) entities: usize,
    /// Challenges that notifications are spread over, so many that each gets few.
    pub(crate) challenges: usize,
    /// Connections of a closed loop; the first number is also that of the floor.
    pub(crate) connections: Vec<usize>,
    /// Requests per second of the slow schedule.
    pub(crate) slow: f64,
    /// Connected devices that receive notifications.
    pub(crate) devices: Vec<usize>,
    /// Numbers of nodes.
    pub(crate) nodes: Vec<usize>,
    /// Connected devices that are idle.
    pub(crate) idle: Vec<usize>,
    pub(crate) answers: usize,
    /// Connections that send requests without pause, more than fit into the server's queue.
    pub(crate) crowd: usize,
    pub(crate) pending: u64,
    pub(crate) old_entities: u64,
    pub(crate) old_notifications: u64,
    /// Challenges below the console's pages.
    pub(crate) old_challenges: u64,
    /// Whether a page that is too slow is a fault.
    pub(crate) is_judged: bool,
    pub(crate) morning: MorningScale,
    /// Requests of each kind whose costs are counted.
    pub(crate) counted: usize,
}

/// The scale of `morning`.
#[derive(Debug, Clone)]
pub(crate) struct MorningScale {
    /// Logins per second.
    pub(crate) logins: Vec<f64>,
    pub(crate) people: usize,
    pub(crate) seed: u64,
    pub(crate) window: Duration,
    /// The lifetime of a login's challenge. The times that people take are parts of it.
    pub(crate) lifetime: Duration,
}

impl Scale {
    /// A scale that runs in seconds, to test that everything works.
    pub(crate) fn tiny() -> Self {
        Self {
            repeats: 1,
            warm: Duration::from_millis(10),
            window: Duration::from_millis(120),
            entities: 10,
            challenges: 20,
            connections: vec![4],
            slow: 50.0,
            devices: vec![1, 5],
            nodes: vec![1, 2],
            idle: vec![20],
            answers: 20,
            crowd: 20,
            pending: 50,
            old_entities: 50,
            old_notifications: 300,
            old_challenges: 300,
            is_judged: false,
            morning: MorningScale {
                logins: vec![25.0],
                people: 40,
                seed: 1,
                window: Duration::from_secs(2),
                lifetime: Duration::from_secs(4),
            },
            counted: 5,
        }
    }
}

/// One run of the benchmark.
pub(crate) struct Bench {
    pub(crate) scale: Scale,
    pub(crate) installation: Installation,
    pub(crate) backing: Backing,
    pub(crate) report: Report,
    /// The folder for the folders of servers.
    pub(crate) folder: PathBuf,
}

impl Bench {
    /// An empty folder that is removed when dropped.
    pub(crate) fn fresh_folder(&self) -> Result<TempDir> {
        fresh_folder(&self.folder)
    }

    /// A server with an empty database.
    pub(crate) async fn fresh_server(&self) -> Result<(Server, TempDir)> {
        let folder = self.fresh_folder()?;
        let installation = self.installation.with(self.backing.variables());
        Ok((installation.start(folder.path()).await?, folder))
    }

    pub(crate) fn plan(&self, connections: usize, pace: Pace) -> Plan {
        Plan { connections, pace, warm: self.scale.warm, window: self.scale.window }
    }

    /// The connections of the floor and of the measurements that are compared with it.
    pub(crate) fn connections(&self) -> usize {
        self.scale.connections.first().copied().unwrap_or(64)
    }

    /// Measures a floor for the ratios of this repeat; nothing else runs meanwhile.
    pub(crate) async fn floor(&self, kind: Kind, connections: usize) -> Result<Load> {
        let folder = self.fresh_folder()?;
        let floor = Floor::start(kind, folder.path()).await?;
        let plan = self.plan(connections, Pace::Closed);
        load::run(floor.target, &floor.requests, plan, None).await
    }

    /// Measures the bare floor and adds it to the table of a part; returns its requests per second.
    pub(crate) async fn bare_floor(&mut self, part: &'static str) -> Result<f64> {
        let connections = self.connections();
        let load = self.floor(Kind::Bare, connections).await?;
        let floor = load.per_second();
        self.report.add_load(
            part,
            &format!("floor, {connections} connections"),
            &load,
            Some(floor),
            &[],
        );
        Ok(floor)
    }
}
