//! The house rules that no compiler knows: who may name whom, what stays pure, how long a file gets.
//!
//! Guards against arrows between folders that were never decided, and against a decision that reads a clock.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file that still reads as one subject; tests are lists and may be longer.
const MAX_LINES: usize = 400;
const MAX_TEST_LINES: usize = 450;

const ROOMS: [&str; 6] = [
    "applications",
    "placements",
    "attendance",
    "tasks",
    "evaluations",
    "certificates",
];

/// A folder of `src/` and what its files may name with `crate::`, besides themselves.
const ARROWS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("log", &["kernel", "proto"]),
    ("command", &["kernel", "log"]),
    ("projection", &["kernel", "log", "grpc", "proto"]),
    ("grpc", &["kernel", "log", "command", "proto"]),
    ("processes", &["kernel", "log", "command", "ROOMS"]),
    (
        "audit",
        &[
            "kernel",
            "log",
            "command",
            "projection",
            "grpc",
            "proto",
            "command_requests",
        ],
    ),
    (
        "ROOMS",
        &[
            "kernel",
            "log",
            "command",
            "projection",
            "grpc",
            "proto",
            "command_requests",
        ],
    ),
    (
        "ops",
        &[
            "kernel",
            "log",
            "command",
            "projection",
            "grpc",
            "processes",
            "audit",
            "proto",
            "ROOMS",
        ],
    ),
];

/// Files of a room that face the outside; every other file of a room is pure.
const EDGE: [&str; 8] = [
    "mod.rs",
    "register.rs",
    "rpc.rs",
    "fields.rs",
    "wire.rs",
    "tests.rs",
    "coordinate.rs",
    "gate.rs",
];
/// What a pure file does not name: anything that waits, stores, talks, tells the time or draws a number.
const IMPURE: [&str; 12] = [
    "tokio",
    "tonic",
    "rusqlite",
    "async fn",
    "std::fs",
    "std::net",
    "SystemTime",
    "Instant::now",
    "now_utc",
    "tracing::",
    "new_v4",
    "rand::",
];

fn rust_files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// (path from the root, content) of every Rust file below `dir`.
fn sources(dir: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join(dir), &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn folder(name: &str) -> Option<&str> {
    let (folder, _) = name.strip_prefix("src/")?.split_once('/')?;
    Some(folder)
}

/// What a text names with `crate::`.
fn named(text: &str) -> BTreeSet<&str> {
    let word = |after: &'_ str| after.find(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|after| after.get(..word(after).unwrap_or(after.len())).unwrap())
        .filter(|name| !name.is_empty())
        .collect()
}

fn is_test(name: &str) -> bool {
    name.contains("tests") || name.contains("contract")
}

#[test]
fn folders_name_only_whom_the_table_allows() {
    let mut wrong = Vec::new();
    for (name, text) in sources("src") {
        let Some(folder) = folder(&name).filter(|_| !is_test(&name)) else {
            continue;
        };
        let row = if ROOMS.contains(&folder) {
            "ROOMS"
        } else {
            folder
        };
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == row) else {
            wrong.push(format!("{name}: folder {folder} is not in the table"));
            continue;
        };
        let code = text.split("#[cfg(test)]").next().unwrap();
        for to in named(code) {
            let room = ROOMS.contains(&to) && allowed.contains(&"ROOMS");
            if to != folder && !room && !allowed.contains(&to) {
                wrong.push(format!(
                    "{name} names {to}; {folder} may name {}",
                    allowed.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_room_never_names_another_room() {
    for (name, text) in sources("src") {
        let Some(room) = folder(&name).filter(|folder| ROOMS.contains(folder)) else {
            continue;
        };
        for to in named(&text) {
            assert!(to == room || !ROOMS.contains(&to), "{name} names room {to}");
        }
    }
}

#[test]
fn decisions_are_pure() {
    let mut wrong = Vec::new();
    for (name, text) in sources("src") {
        let Some(folder) = folder(&name) else {
            continue;
        };
        let file = name.rsplit('/').next().unwrap();
        let pure = (folder == "kernel" && file != "golden.rs")
            || (ROOMS.contains(&folder)
                && !EDGE.contains(&file)
                && !["rpc", "wire", "tests"]
                    .iter()
                    .any(|edge| name.contains(edge)));
        if !pure {
            continue;
        }
        let code: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for word in IMPURE {
            if code.contains(word) {
                wrong.push(format!("{name} is pure and names {word}"));
            }
        }
        for to in named(&text) {
            if to != "kernel" && to != folder {
                wrong.push(format!(
                    "{name} is pure and names {to}; only kernel is allowed"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let mut long = Vec::new();
    for (name, text) in sources("src").into_iter().chain(sources("tests")) {
        let limit = if is_test(&name) {
            MAX_TEST_LINES
        } else {
            MAX_LINES
        };
        let lines = text.lines().count();
        if lines > limit {
            long.push(format!(
                "{name} has {lines} lines, {limit} is the limit: which second subject is in it?"
            ));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn nothing_is_left_to_be_done_later() {
    // Spelled so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("unimpl", "emented!"),
        concat!("XX", "X:"),
    ];
    for (name, text) in sources("src").into_iter().chain(sources("tests")) {
        for mark in marks {
            assert!(!text.contains(mark), "{name} contains {mark}");
        }
    }
}

#[test]
fn every_folder_says_what_it_is_for() {
    for (name, text) in sources("src") {
        assert!(
            !name.ends_with("/mod.rs") || text.starts_with("//!"),
            "{name} says nothing about itself"
        );
    }
}
