//! Keeps the house in order: who may import whom, how long files and functions are, where
//! `unsafe` is, that each file says what it is for. `tidy/source.rs` tells code from comments and
//! text, `tidy/rules.rs` holds the rules and their tests, `tidy/houses.rs` the arrows.

mod houses;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rules::Violation;
use source::Source;

/// What is looked at, from the workspace's root.
const ROOTS: [&str; 8] =
    ["emulator", "guest", "scripts", "tests", "benches", ".cargo", ".ci", "Cargo.toml"];
/// Kinds of files that must be plain text.
const TEXT: [&str; 7] = ["rs", "toml", "md", "sh", "ld", "txt", "yml"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Paths of all files below `ROOTS`, relative to the root, with `/` between the parts.
fn files() -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = ROOTS.iter().map(|name| root().join(name)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("readable");
            let entries = entries.map(|entry| entry.expect("readable").path());
            open.extend(entries.filter(|path| !path.ends_with("target")));
        } else if path.is_file() {
            let relative = path.strip_prefix(root()).expect("below the root");
            found.push(relative.to_str().expect("UTF-8").replace('\\', "/"));
        }
    }
    found.sort();
    found
}

fn is_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((_, extension)) => TEXT.contains(&extension),
        None => path.starts_with("scripts/") || path.starts_with(".ci/"),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_tree_is_tidy() {
    let mut violations: Vec<Violation> = Vec::new();
    let mut rust_files = 0;
    for path in files().iter().filter(|path| is_text(path)) {
        let text = read(path);
        violations.extend(rules::plain_text(path, &text));
        if path.ends_with(".rs") {
            rust_files += 1;
            violations.extend(rules::rust(&Source::new(path, &text)));
        }
    }
    assert!(rust_files > 50, "only {rust_files} files found: is the walk broken?");
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} violations:\n{}", list.len(), list.join("\n"));
}

#[test]
fn the_lists_name_files_that_are_there() {
    let holds_unsafe = |path: &String| rules::mentions_unsafe(&Source::new(path, &read(path)));
    for island in rules::UNSAFE_ISLANDS {
        let mut there = files().into_iter().filter(|path| rules::is_on(island, path));
        assert!(there.any(|path| holds_unsafe(&path)), "{island} has no unsafe code: take it off");
    }
    for path in rules::FORBIDDING_ROOTS {
        assert!(root().join(path).is_file(), "{path} is gone");
    }
}
