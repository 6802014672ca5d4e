//! Compares a rebuilt folder with what was acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use countersign_store_sqlite::{Depth, SqliteStore};
use serde_json::Value;

/// An acknowledged state: the status and message of a challenge, and of other resources only that they exist.
#[derive(Default)]
pub struct Told(BTreeMap<String, Option<(String, String)>>);

impl Told {
    /// Takes note of a response. Returns whether something new was acknowledged.
    pub fn note(&mut self, body: &Value) -> bool {
        let of = |name: &str| body[name].as_str().map(str::to_owned);
        let Some(sid) = of("sid") else { return false };
        match &sid[..2] {
            "YC" => {
                let status = of("status").unwrap_or_default();
                let message = body["details"]["message"].as_str().unwrap_or_default();
                let told = Some((status, message.to_owned()));
                self.0.insert(sid, told.clone()) != Some(told)
            }
            "NT" | "YF" | "VA" if body["created"] == true => self.0.insert(sid, None).is_none(),
            _ => false,
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The losses of a rebuilt folder.
pub struct Verdict {
    /// Acknowledged resources that are missing or have another state.
    pub lost: Vec<String>,
    /// Why the file is not intact.
    pub faults: Vec<String>,
}

/// Opens a rebuilt folder as the server does.
pub async fn judge(data: &Path, told: &Told) -> Verdict {
    let file = data.join("countersign.db");
    let store = match SqliteStore::open(&file, Default::default()) {
        Ok(store) => store,
        Err(error) => return Verdict { lost: Vec::new(), faults: vec![error.to_string()] },
    };
    let faults = match store.faults(Depth::Full).await {
        Ok(faults) => faults,
        Err(error) => vec![error.to_string()],
    };
    drop(store);
    let have = have(&file);
    let lacks = |sid: &str, told: &Option<(String, String)>| match (have.get(sid), told) {
        (None, _) => true,
        (Some(_), None) => false,
        // A pending challenge may have been answered, and the response not yet sent.
        (Some((status, message)), Some((told, text))) => {
            message != text || (told != "pending" && status != told)
        }
    };
    let lost = told.0.iter().filter(|(sid, told)| lacks(sid, told));
    Verdict { lost: lost.map(|(sid, _)| sid.clone()).collect(), faults }
}

/// All resources of a file by SID; of challenges status and message.
fn have(file: &Path) -> HashMap<String, (String, String)> {
    let db = rusqlite::Connection::open(file).expect("it opens");
    let mut have = HashMap::new();
    for (prefix, sql) in [
        ("YC", "SELECT lower(hex(sid)), state, message FROM challenges"),
        ("NT", "SELECT lower(hex(sid)), '', '' FROM notifications"),
        ("YF", "SELECT lower(hex(sid)), '', '' FROM factors"),
        ("VA", "SELECT lower(hex(sid)), '', '' FROM services"),
    ] {
        let mut statement = db.prepare(sql).expect("a statement");
        let rows = statement
            .query_map((), |row| Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?))));
        for row in rows.expect("rows") {
            // A malformed file is told by its check.
            let Ok((sid, rest)) = row else { break };
            have.insert(format!("{prefix}{sid}"), rest);
        }
    }
    have
}
