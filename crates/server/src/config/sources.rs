//! Gathers settings from a file, the environment and the command line; the later wins. An unknown name is an error,
//! in the environment a warning, since others, such as Kubernetes, set variables there.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use toml::de::{DeTable, DeValue};

use super::names::{self, VariableKind};
use super::origin::{Origin, Origins};
use super::reader::{Node, RawSetting, RawValue};

/// The sources of the configuration beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file. A file that is named must exist.
    pub file: Option<PathBuf>,
    /// The environment variables.
    pub environment: HashMap<String, String>,
    /// The values of `--set`, `section.key=value`, in order.
    pub settings: Vec<String>,
}

/// A flag that stands for a setting: its name, such as `--listen`, and `section.key=value`.
pub type Flag = (&'static str, String);

/// All settings that were given, with their origins.
pub(super) struct GatheredSettings {
    pub(super) root: Node,
    pub(super) origins: Origins,
    /// Warnings for the operator.
    pub(super) warnings: Vec<String>,
}

impl Sources {
    /// Gathers all settings. `flags` win over the environment, and `--set` wins over `flags`.
    pub(super) fn gather(&self, flags: &[Flag]) -> anyhow::Result<GatheredSettings> {
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
            match names::kind_of(name, value) {
                VariableKind::Setting(key) => given.push(RawSetting {
                    key: key.to_owned(),
                    origin: Origin::Variable(name.clone()),
                    value: RawValue::Text(value.clone()),
                }),
                VariableKind::Other => {}
                VariableKind::Unknown => warnings.push(format!(
                    "{name} in the environment is not a setting and is ignored{}",
                    suggestion(names::nearest_variable(name).as_deref())
                )),
            }
        }
        let settings = self.settings.iter().map(|setting| ("--set", setting));
        let flags = flags.iter().map(|(flag, setting)| (*flag, setting));
        for (flag, setting) in flags.chain(settings) {
            given.push(of_flag(flag, setting)?);
        }
        let mut last = BTreeMap::new();
        let mut origins = Origins::default();
        for given in given {
            origins.set(&given.key, given.origin.clone());
            last.insert(given.key.clone(), given);
        }
        Ok(GatheredSettings { root: tree(last), origins, warnings })
    }
}

fn suggestion(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!(": is {meant} meant?"))
}

fn unknown(key: &str, origin: &Origin) -> anyhow::Error {
    if names::is_section(key) {
        return anyhow!("{key}, from {origin}: this is a section, whose settings are {key}.…");
    }
    let meant = suggestion(names::nearest_key(key));
    anyhow!("{key}, from {origin}: there is no such setting{meant}")
}

/// Parses `section.key=value`.
fn of_flag(flag: &str, setting: &str) -> anyhow::Result<RawSetting> {
    let Some((key, value)) = setting.split_once('=') else {
        bail!("{flag} {setting}: expected section.key=value");
    };
    let (key, origin) = (key.trim().to_owned(), Origin::Flag(flag.to_owned()));
    if !names::is_key(&key) {
        return Err(unknown(&key, &origin));
    }
    Ok(RawSetting { key, origin, value: RawValue::Text(value.to_owned()) })
}

fn of_file(path: &Path) -> anyhow::Result<Vec<RawSetting>> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the file {shown}"))?;
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let table = DeTable::parse(&text).map_err(|error| {
        let line = line(error.span().map_or(0, |span| span.start));
        // The whole error would quote the line, which may hold a password.
        anyhow!("{shown}, line {line}: this is not TOML: {}", error.message())
    })?;
    let mut given = Vec::new();
    let origin = |at: usize| Origin::File(path.to_owned(), line(at));
    flatten("", table.get_ref(), &origin, &mut given)?;
    Ok(given)
}

fn flatten(
    section: &str,
    table: &DeTable<'_>,
    origin: &impl Fn(usize) -> Origin,
    given: &mut Vec<RawSetting>,
) -> anyhow::Result<()> {
    for (name, value) in table {
        let dot = if section.is_empty() { "" } else { "." };
        let key = format!("{section}{dot}{}", name.get_ref());
        let origin_of_name = origin(name.span().start);
        match value.get_ref() {
            DeValue::Table(table) if names::is_section(&key) => {
                flatten(&key, table, origin, given)?;
            }
            value if names::is_key(&key) => {
                given.push(RawSetting { key, origin: origin_of_name, value: raw_value(value) });
            }
            _ => return Err(unknown(&key, &origin_of_name)),
        }
    }
    Ok(())
}

fn raw_value(value: &DeValue<'_>) -> RawValue {
    match value {
        DeValue::String(text) => RawValue::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(RawValue::Other("a number that is too large"), RawValue::Number),
        DeValue::Boolean(boolean) => RawValue::Bool(*boolean),
        DeValue::Array(values) => {
            let texts = values.iter().map(|value| value.get_ref().as_str().map(str::to_owned));
            let texts: Option<Vec<String>> = texts.collect();
            texts.map_or(RawValue::Other("a list of other things than texts"), RawValue::List)
        }
        DeValue::Float(_) => RawValue::Other("a number with a fraction"),
        DeValue::Datetime(_) => RawValue::Other("a date"),
        DeValue::Table(_) => RawValue::Other("a section"),
    }
}

/// Groups settings by section.
fn tree(settings: BTreeMap<String, RawSetting>) -> Node {
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
