//! The settings as `docs/run/configuration.md` describes them, and a settings file made of that. Tests compare the page with
//! the code: names, variables, defaults, units and bounds.

use serde_json::Value;

use super::settings::Config;

const PAGE: &str = include_str!("../../../../docs/run/configuration.md");
/// The longest line of the file, if its words allow that.
const WIDTH: usize = 100;

/// A row of the page's tables.
pub(super) struct Row {
    pub(super) key: String,
    pub(super) variable: String,
    pub(super) default: String,
    pub(super) unit: String,
    pub(super) values: String,
    pub(super) meaning: String,
}

/// All rows, in the order of the page.
pub(super) fn rows() -> Vec<Row> {
    let lines = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    lines.filter_map(|line| row(line.trim_end_matches(" |"))).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.splitn(5, " | ");
    let (key, variable) = cells.next()?.split_once("`<br>`")?;
    let mut cell = || cells.next().unwrap_or_default().trim().to_owned();
    Some(Row {
        key: key.to_owned(),
        variable: variable.trim_end_matches('`').to_owned(),
        default: cell(),
        unit: cell(),
        values: cell(),
        meaning: cell(),
    })
}

/// A settings file with every setting and its default, each in a comment.
pub fn example() -> String {
    let mut file = String::from(
        "# Every setting, as a comment with its default: remove the # before a name, and change its value.\n\
         # A variable wins over this file, and --set section.key=value wins over both.\n\
         # countersign check checks the file; countersign config show prints what is in use.\n",
    );
    let defaults = Config::default().values();
    let mut section = String::new();
    for row in rows() {
        let (of, name) = row.key.split_once('.').unwrap_or(("", &row.key));
        if of != section {
            of.clone_into(&mut section);
            file.push_str(&format!("\n[{of}]\n"));
        }
        file.push('\n');
        let Row { variable, default, unit, values, meaning, .. } = &row;
        let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
        comment(&mut file, &plain(meaning));
        comment(
            &mut file,
            &format!(
                "Values: {}{unit}. Default: {}. Variable: {variable}",
                plain(values),
                plain(default)
            ),
        );
        file.push_str(&format!("#{name} = {}\n", written(&defaults[&row.key])));
    }
    file
}

/// A value as TOML. An absent one is an empty text, which a setting without a default takes for none.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        // Texts, numbers and lists of texts are written as in JSON.
        other => other.to_string(),
    }
}

/// Adds lines of a comment.
fn comment(file: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            file.push_str(&line);
            file.push('\n');
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    file.push_str(&line);
    file.push('\n');
}

/// Markdown without marks of code, and with the words of links only.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once("](") {
        let (before, words) = before.rsplit_once('[').unwrap_or((before, ""));
        text.push_str(before);
        text.push_str(words);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    text.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, keys};

    #[test]
    fn the_example_has_every_setting_with_its_default() {
        let uncommented: String = example()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        for text in [example(), uncommented.clone()] {
            let file = folder.path().join("countersign.toml");
            std::fs::write(&file, text).unwrap();
            let config = Config::load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
            assert_eq!(config.values(), Config::default().values());
        }
        let given =
            uncommented.lines().filter(|line| line.contains(" = ") && !line.starts_with('#'));
        assert_eq!(given.count(), keys().len());
        assert!(example().lines().all(|line| line.chars().count() <= WIDTH));
        assert!(!example().contains("](") && !example().contains('`'), "{}", example());
    }
}
