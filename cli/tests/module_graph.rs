//! The dependencies between the top-level modules of the CLI and of the library have no cycle. Those of the library have
//! the direction that `docs/architecture.md` describes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// For each top-level module, the others that it names.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Reads the graph of the top-level modules of the crate whose sources are in `folder`.
///
/// A module depends on another if its code names it from the crate's root: `crate::other`, `use crate::{other, …}`, or
/// enough `super::` to get there. The root itself (`lib.rs` and `main.rs`), comments and unit tests don't count.
fn module_graph(folder: &Path) -> Graph {
    let mut graph = Graph::new();
    for file in source_files(folder) {
        let path = file.strip_prefix(folder).unwrap().with_extension("");
        let mut path: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
        if path.last() == Some(&"mod") {
            path.pop();
        }
        if ["lib", "main"].contains(&path[0]) || path.contains(&"tests") {
            continue;
        }
        let named = named_modules(&code(&fs::read_to_string(&file).unwrap()), path.len());
        graph.entry(path[0].to_owned()).or_default().extend(named);
    }
    let modules: BTreeSet<String> = graph.keys().cloned().collect();
    for (module, named) in &mut graph {
        named.retain(|other| other != module && modules.contains(other));
    }
    graph
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { source_files(&path) } else { vec![path] });
    files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// A file's text without comments and without the unit tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The names after `crate::`, and after `super::` as often as it takes to get from a module at this depth to the root.
fn named_modules(code: &str, depth: usize) -> BTreeSet<String> {
    let to_root = "super::".repeat(depth);
    let after = |prefix: &str| {
        let places = code.match_indices(prefix).map(|(position, _)| code.split_at(position));
        // Not the end of a longer name or path.
        let whole = places.filter(|(before, _)| !before.ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c)));
        whole.flat_map(|(_, place)| first_names(&place[prefix.len()..])).collect::<BTreeSet<String>>()
    };
    after("crate::").union(&after(&to_root)).cloned().collect()
}

/// The name at the beginning of the rest of a path; of a group in braces, the first name of each of its members.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut depth, mut is_first, mut names) = (0_usize, true, Vec::new());
    for (position, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_first = true,
            c if depth == 0 && is_first && !c.is_whitespace() => {
                names.push(name(&group[position..]));
                is_first = false;
            }
            _ => {}
        }
    }
    names
}

/// A cycle of modules, from one of them back to the same one, if there is any.
fn cycle(graph: &Graph) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    graph.keys().find_map(|module| visit(graph, module, &mut Vec::new(), &mut done))
}

/// Depth-first search from `module`, which is reached by `path`. Modules in `done` lead to no cycle.
fn visit(graph: &Graph, module: &str, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> Option<Vec<String>> {
    if let Some(start) = path.iter().position(|on_path| on_path == module) {
        let cycle = path[start..].iter().cloned();
        return Some(cycle.chain([module.to_owned()]).collect());
    }
    if !done.contains(module) {
        path.push(module.to_owned());
        let found = graph[module].iter().find_map(|next| visit(graph, next, path, done));
        if found.is_some() {
            return found;
        }
        path.pop();
        done.insert(module.to_owned());
    }
    None
}

#[test]
fn modules_of_the_cli_have_no_dependency_cycle() {
    let graph = module_graph(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert_eq!(cycle(&graph), None, "{graph:#?}");
    for other in ["console", "stack", "simulator", "secrets", "local_console", "deployment"] {
        assert!(graph["commands"].contains(other), "the imports aren't read: commands names {:?}", graph["commands"]);
    }
    for (module, other) in [("console", "stack"), ("console", "commands"), ("stack", "console"), ("stack", "commands")]
    {
        assert!(!graph[module].contains(other), "{module} depends on {other}");
    }
}

/// The modules of the library that each module may depend on, where that is limited. All others are use cases or tools.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("proof", &[]),
    ("outbound", &[]),
    ("form", &["json"]),
    ("pdf", &[]),
    ("pdf_signatures", &["pdf", "domain", "proof"]),
    ("domain", &["proof", "outbound", "time"]),
    ("ledger", &["domain", "proof", "aws", "time"]),
    ("providers", &["domain", "proof", "outbound", "form", "json", "secrets", "settings", "aws", "time"]),
];

#[test]
fn modules_of_the_library_depend_on_each_other_in_one_direction() {
    let graph = module_graph(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/src"));
    assert_eq!(cycle(&graph), None, "{graph:#?}");
    assert!(graph["intake"].contains("ledger") && graph["intake"].contains("providers"), "the imports aren't read");
    for (module, allowed) in ALLOWED {
        let forbidden: Vec<_> = graph[module].iter().filter(|other| !allowed.contains(&other.as_str())).collect();
        assert!(forbidden.is_empty(), "{module} depends on {forbidden:?}");
    }
}

/// The cycle in a crate of these files.
fn cycle_in(files: &[(&str, &str)]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    cycle(&module_graph(folder.path()))
}

#[test]
fn a_cycle_is_found_in_every_spelling() {
    let [a, b, c] = ["use crate::b::B;\n", "use std::fs;\nuse crate::c;\n", "mod x;\n"];
    for (name, text) in [
        ("c/mod.rs", "use crate::a::A;\n"),
        ("c/x.rs", "pub(super) use crate::a;\n"),
        ("c/x.rs", "use crate::{\n    c::{C, a},\n    a::{A, D},\n};\n"),
        ("c/x/y.rs", "fn f() { crate::a::f(); }\n"),
        ("c/x.rs", "use super::super::a::A;\n"),
        ("c/mod.rs", "use super::{b, a};\n"),
        ("c/mod.rs", "macro_rules! m { () => { $crate::a::f() }; }\n"),
    ] {
        let found = cycle_in(&[("lib.rs", "mod a;\n"), ("a.rs", a), ("b.rs", b), ("c/mod.rs", c), (name, text)]);
        let found = found.unwrap_or_else(|| vec!["none".to_owned()]);
        assert!(found.first() == found.last() && found.len() > 2, "{text}: {found:?}");
    }
    assert_eq!(cycle_in(&[("a.rs", "use crate::b;"), ("b.rs", "use crate::a;")]).unwrap(), ["a", "b", "a"]);
}

#[test]
fn comments_tests_the_root_and_inner_paths_do_not_count_as_dependencies() {
    let files = [
        ("lib.rs", "use crate::a::A;\nuse crate::b::B;\n"),
        ("a.rs", "use crate::b::B;\n"),
        ("b.rs", "//! As in `crate::a`.\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n"),
        ("b/tests.rs", "use crate::a::A;\n"),
        ("b/x.rs", "use super::a;\nuse mycrate::a;\nuse crate::{b::{a, c}, c};\n"),
        ("c.rs", "use std::a;\nuse self::a;\n"),
    ];
    assert_eq!(cycle_in(&files), None);
}
