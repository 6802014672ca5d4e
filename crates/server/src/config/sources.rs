//! Gathers settings from a file, the environment and the command line; the later wins. A name that is no setting's is an
//! error, except in the environment: others, such as Kubernetes, set variables there.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use toml::de::{DeTable, DeValue};

use super::names::{self, Meaning};
use super::place::{Place, Places};
use super::reader::{Given, Node, Written};

/// Where configuration comes from, beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file, which must exist if it is named.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: HashMap<String, String>,
    /// `section.key=value` after `--set`, in order.
    pub settings: Vec<String>,
}

/// A flag that stands for a setting: its name, such as `--listen`, and `section.key=value`.
pub type Flag = (&'static str, String);

/// All settings that were given.
pub(super) struct Gathered {
    pub(super) root: Node,
    pub(super) places: Places,
    /// What is odd and no error, for the operator.
    pub(super) warnings: Vec<String>,
}

impl Sources {
    /// The flags win over the environment, and `settings` win over them.
    pub(super) fn gather(&self, flags: &[Flag]) -> anyhow::Result<Gathered> {
        let mut given = match &self.file {
            Some(path) => of_file(path)?,
            None => Vec::new(),
        };
        let mut warnings = Vec::new();
        let mut variables: Vec<_> = self.environment.iter().collect();
        variables.sort_unstable();
        for (name, value) in variables {
            if !name.starts_with(names::PREFIX) {
                continue;
            }
            match names::meaning(name, value) {
                Meaning::Setting(key) => given.push(Given {
                    key: key.to_owned(),
                    place: Place::Variable(name.clone()),
                    value: Written::Text(value.clone()),
                }),
                Meaning::Other => {}
                Meaning::Unknown => warnings.push(format!(
                    "{name} in the environment is no setting, and changes nothing{}",
                    perhaps(names::nearest_variable(name).as_deref())
                )),
            }
        }
        let settings = self.settings.iter().map(|setting| ("--set", setting));
        let flags = flags.iter().map(|(flag, setting)| (*flag, setting));
        for (flag, setting) in flags.chain(settings) {
            given.push(of_flag(flag, setting)?);
        }
        let mut last = BTreeMap::new();
        let mut places = Places::default();
        for given in given {
            places.set(&given.key, given.place.clone());
            last.insert(given.key.clone(), given);
        }
        Ok(Gathered { root: tree(last), places, warnings })
    }
}

fn perhaps(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!(": is {meant} meant?"))
}

fn unknown(key: &str, place: &Place) -> anyhow::Error {
    if names::is_section(key) {
        return anyhow!("{key}, from {place}: this is a section, whose settings are {key}.…");
    }
    let meant = perhaps(names::nearest_key(key));
    anyhow!("{key}, from {place}: there is no such setting{meant}")
}

/// `section.key=value`.
fn of_flag(flag: &str, setting: &str) -> anyhow::Result<Given> {
    let Some((key, value)) = setting.split_once('=') else {
        bail!("{flag} {setting}: expected section.key=value");
    };
    let (key, place) = (key.trim().to_owned(), Place::Flag(flag.to_owned()));
    if !names::is_key(&key) {
        return Err(unknown(&key, &place));
    }
    Ok(Given { key, place, value: Written::Text(value.to_owned()) })
}

fn of_file(path: &Path) -> anyhow::Result<Vec<Given>> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the file {shown}"))?;
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let table = DeTable::parse(&text).map_err(|error| {
        let line = line(error.span().map_or(0, |span| span.start));
        // Its whole text would quote the line, which may hold a password.
        anyhow!("{shown}, line {line}: this is not TOML: {}", error.message())
    })?;
    let mut given = Vec::new();
    let place = |at: usize| Place::File(path.to_owned(), line(at));
    flatten("", table.get_ref(), &place, &mut given)?;
    Ok(given)
}

fn flatten(
    section: &str,
    table: &DeTable<'_>,
    place: &impl Fn(usize) -> Place,
    given: &mut Vec<Given>,
) -> anyhow::Result<()> {
    for (name, value) in table {
        let dot = if section.is_empty() { "" } else { "." };
        let key = format!("{section}{dot}{}", name.get_ref());
        let place_of_name = place(name.span().start);
        match value.get_ref() {
            DeValue::Table(table) if names::is_section(&key) => flatten(&key, table, place, given)?,
            value if names::is_key(&key) => {
                given.push(Given { key, place: place_of_name, value: written(value) });
            }
            _ => return Err(unknown(&key, &place_of_name)),
        }
    }
    Ok(())
}

fn written(value: &DeValue<'_>) -> Written {
    match value {
        DeValue::String(text) => Written::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Written::Other("a number that is too large"), Written::Number),
        DeValue::Boolean(truth) => Written::Truth(*truth),
        DeValue::Array(values) => {
            let texts = values.iter().map(|value| value.get_ref().as_str().map(str::to_owned));
            let texts: Option<Vec<String>> = texts.collect();
            texts.map_or(Written::Other("a list of other things than texts"), Written::List)
        }
        DeValue::Float(_) => Written::Other("a number with a fraction"),
        DeValue::Datetime(_) => Written::Other("a date"),
        DeValue::Table(_) => Written::Other("a section"),
    }
}

/// The settings by their sections.
fn tree(settings: BTreeMap<String, Given>) -> Node {
    let mut root = BTreeMap::new();
    for (key, given) in settings {
        let node = Node::Setting(given);
        match key.split_once('.') {
            None => drop(root.insert(key, node)),
            Some((section, name)) => {
                let section = root.entry(section.to_owned());
                if let Node::Section(nodes) =
                    section.or_insert_with(|| Node::Section(BTreeMap::new()))
                {
                    nodes.insert(name.to_owned(), node);
                }
            }
        }
    }
    Node::Section(root)
}
