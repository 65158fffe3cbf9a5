//! `docs/operate.md`: a section for each alarm, and an alarm for each section.

use std::collections::BTreeMap;

use super::{
    alarms,
    template::{Template, root},
};

/// What each section has to say.
const PARTS: [&str; 3] = ["*Cause.*", "*Fix.*", "*Over* when"];

/// A section about alarms.
struct Section {
    /// GitHub's anchor of its heading.
    anchor: String,
    alarms: Vec<String>,
    text: String,
}

/// The sections whose second line begins with `Alarms:` or `Alarm:`.
fn sections() -> Vec<Section> {
    let text = std::fs::read_to_string(root().join("docs/operate.md")).expect("docs/operate.md");
    let sections = text.split("\n### ").skip(1).filter_map(|section| {
        let section = section.split("\n## ").next()?;
        let (heading, rest) = section.split_once("\n\n")?;
        let list = rest.strip_prefix("Alarm")?.split("\n\n").next()?;
        let alarms = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let anchor = heading.to_lowercase().replace(' ', "-");
        assert!(anchor.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{anchor}");
        Some(Section { anchor, alarms, text: rest.to_owned() })
    });
    sections.collect()
}

#[test]
fn every_alarm_links_to_its_section_and_every_section_has_its_alarms() {
    let template = Template::read();
    let mut anchors = BTreeMap::new();
    for section in sections() {
        for alarm in section.alarms {
            let previous = anchors.insert(alarm.clone(), section.anchor.clone());
            assert_eq!(previous, None, "{alarm} has two sections");
        }
    }
    let mut linked = BTreeMap::new();
    for alarm in alarms::all(&template) {
        let description = alarm.property("/AlarmDescription/Fn::Sub").as_str().expect("a text");
        let link = description.lines().last().and_then(|line| line.strip_prefix("${RunbookUrl}#"));
        let anchor = link.unwrap_or_else(|| panic!("{} has no link: {description}", alarm.id));
        linked.insert(alarm.id.to_owned(), anchor.to_owned());
    }
    assert!(linked.len() > 60);
    assert_eq!(anchors, linked);
}

#[test]
fn every_section_has_the_cause_the_fix_and_the_end() {
    for Section { anchor, text, .. } in sections() {
        for part in PARTS {
            assert!(text.contains(part), "{anchor} has no {part}");
        }
    }
}

/// A command that shows a cause names codes that are logged, and functions and outputs that exist.
#[test]
fn the_commands_name_what_exists() {
    let template = Template::read();
    let text = std::fs::read_to_string(root().join("docs/operate.md")).expect("docs/operate.md");
    let sources = alarms::source_texts();
    let commands = text.lines().filter_map(|line| line.trim().strip_prefix("$ logs "));
    let mut count = 0;
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        template.resource(words[0]);
        for code in words[1..].iter().take_while(|word| !word.starts_with('#')) {
            assert!(sources.iter().any(|source| source.contains(&format!("event = \"{code}\""))), "{command}: {code}");
        }
        count += 1;
    }
    assert!(count > 10, "{count} commands");
    let outputs = template.section("Outputs");
    for name in text.split("$(output ").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(outputs.contains_key(name), "no output {name}");
    }
}
