//! Ways through a small tree, and rules that hold for every way.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A namespace as a table from full paths; a link's text stands behind it.
struct Table(BTreeMap<&'static str, (Kind, &'static str)>);

fn table() -> Table {
    let mut paths = BTreeMap::from([
        ("/a", (Kind::Directory, "")),
        ("/a/b", (Kind::Directory, "")),
        ("/a/b/file", (Kind::Regular, "")),
        ("/secret", (Kind::Directory, "closed")),
        ("/secret/file", (Kind::Regular, "")),
        ("/relative", (Kind::Symlink, "a/b")),
        ("/a/up", (Kind::Symlink, "../a/b/file")),
        ("/absolute", (Kind::Symlink, "/a/b/")),
        ("/dangling", (Kind::Symlink, "a/missing")),
        ("/loop", (Kind::Symlink, "loop")),
        ("/magic", (Kind::Symlink, "=/a/b/file")),
        ("/to-slash", (Kind::Symlink, "a/b/file/")),
    ]);
    for index in 0..=LINKS_MAX {
        let name: &'static str = format!("/chain{index}").leak();
        let next: &'static str = format!("chain{}", index + 1).leak();
        paths.insert(name, (Kind::Symlink, if index == LINKS_MAX { "a" } else { next }));
    }
    Table(paths)
}

impl Namespace for Table {
    type Place = String;

    fn root(&self) -> String {
        String::new()
    }
    fn kind(&self, place: &String) -> Kind {
        self.0.get(place.as_str()).map_or(Kind::Directory, |(kind, _)| *kind)
    }
    fn may_search(&self, directory: &String) -> Result<(), Errno> {
        match self.0.get(directory.as_str()) {
            Some((_, "closed")) => Err(Errno::EACCES),
            _ => Ok(()),
        }
    }
    fn lookup(&self, directory: &String, name: &[u8]) -> Result<String, Errno> {
        assert_ne!(name, b".");
        let path = format!("{directory}/{}", String::from_utf8_lossy(name));
        if self.0.contains_key(path.as_str()) { Ok(path) } else { Err(Errno::ENOENT) }
    }
    fn parent(&self, directory: &String) -> String {
        directory.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned())
    }
    fn follow(&self, link: &String) -> Result<Target<String>, Errno> {
        let text = self.0[link.as_str()].1;
        Ok(match text.strip_prefix('=') {
            Some(place) => Target::Place(place.to_owned()),
            None => Target::Path(text.into()),
        })
    }
}

fn go(path: &str, goal: Goal) -> Result<String, Errno> {
    walk(&table(), "/a".to_owned(), path.as_bytes(), goal)?.found()
}

#[test]
fn ways_to_targets() {
    for (path, expect) in [
        ("b/file", Ok("/a/b/file")),
        ("/a//b///file", Ok("/a/b/file")),
        ("./b/./file", Ok("/a/b/file")),
        ("../a/b/../b/file", Ok("/a/b/file")),
        ("/../../a", Ok("/a")),
        ("/", Ok("")),
        ("/a/b/", Ok("/a/b")),
        ("/a/b/.", Ok("/a/b")),
        ("/a/b/..", Ok("/a")),
        ("/a/b/file/", Err(Errno::ENOTDIR)),
        ("/a/b/file/.", Err(Errno::ENOTDIR)),
        ("/a/b/file/x", Err(Errno::ENOTDIR)),
        ("/relative/file", Ok("/a/b/file")),
        ("/relative/", Ok("/a/b")),
        ("up", Ok("/a/b/file")),
        ("/absolute/file", Ok("/a/b/file")),
        ("/absolute", Ok("/a/b")),
        ("/dangling", Err(Errno::ENOENT)),
        ("/missing/x", Err(Errno::ENOENT)),
        ("/missing/..", Err(Errno::ENOENT)),
        ("/loop", Err(Errno::ELOOP)),
        ("/loop/x", Err(Errno::ELOOP)),
        ("/magic", Ok("/a/b/file")),
        ("/to-slash", Err(Errno::ENOTDIR)),
        ("/secret", Ok("/secret")),
        ("/secret/file", Err(Errno::EACCES)),
        ("/secret/..", Err(Errno::EACCES)),
        ("/chain1", Ok("/a")),
        ("/chain0", Err(Errno::ELOOP)),
        ("", Err(Errno::ENOENT)),
    ] {
        assert_eq!(go(path, Goal::Target), expect.map(str::to_owned), "{path}");
    }
}

#[test]
fn an_entry_may_be_a_link() {
    for (path, expect) in [
        ("/loop", Ok("/loop")),
        ("/relative", Ok("/relative")),
        // Slashes behind a link lead through it.
        ("/relative/", Ok("/a/b")),
        ("/relative/file", Ok("/a/b/file")),
        ("/dangling", Ok("/dangling")),
        ("/dangling/", Err(Errno::ENOENT)),
    ] {
        assert_eq!(go(path, Goal::Entry), expect.map(str::to_owned), "{path}");
    }
}

#[test]
fn what_is_missing_has_a_parent_and_a_name() {
    for (path, goal, parent, name, slashes) in [
        ("/a/new", Goal::Target, "/a", "new", false),
        ("/a/b/new//", Goal::Parent, "/a/b", "new", true),
        // Creating through a dangling link makes what it names.
        ("/dangling", Goal::Target, "/a", "missing", false),
        ("/dangling", Goal::Parent, "", "dangling", false),
        ("/a/b", Goal::Parent, "/a", "b", false),
        ("/a/..", Goal::Parent, "", "", false),
        ("/", Goal::Parent, "", "", false),
    ] {
        let found = walk(&table(), String::new(), path.as_bytes(), goal).expect(path);
        assert_eq!(found.parent, parent, "{path}");
        assert_eq!(&found.name[..], name.as_bytes(), "{path}");
        assert_eq!(found.slashes, slashes, "{path}");
        assert_eq!(found.place.is_some(), name.is_empty(), "{path}");
    }
}

#[test]
fn lengths_are_limited() {
    let (most, too_long) = ("x".repeat(NAME_MAX_BYTES), "x".repeat(NAME_MAX_BYTES + 1));
    let long_path = |bytes: usize| "/".repeat(bytes - 1) + "a";
    for (path, expect) in [
        (most, Err(Errno::ENOENT)),
        (too_long, Err(Errno::ENAMETOOLONG)),
        (long_path(PATH_MAX_BYTES - 1), Ok("/a".to_owned())),
        (long_path(PATH_MAX_BYTES), Err(Errno::ENAMETOOLONG)),
    ] {
        assert_eq!(go(&path, Goal::Target), expect, "{} bytes", path.len());
    }
}

proptest! {
    /// Slashes and dots more do not change where a way without links leads, nor whether.
    #[test]
    fn slashes_and_dots_do_not_matter(
        parts in prop::collection::vec(prop::sample::select(vec!["a", "b", "file", ".."]), 1..8),
        noise in prop::collection::vec(prop::sample::select(vec!["/", "//", "/./"]), 8),
    ) {
        let plain = format!("/{}", parts.join("/"));
        let mut noisy = String::new();
        for (part, noise) in parts.iter().zip(noise) {
            noisy += noise;
            noisy += part;
        }
        prop_assert_eq!(go(&plain, Goal::Target), go(&noisy, Goal::Target));
    }

    /// Any bytes lead somewhere or to an error.
    #[test]
    fn no_path_panics(path in prop::collection::vec(prop::sample::select(&b"/.ab\0x"[..]), 0..40)) {
        for goal in [Goal::Parent, Goal::Entry, Goal::Target] {
            if let Ok(walked) = walk(&table(), "/a".to_owned(), &path, goal) {
                prop_assert!(walked.name.len() <= NAME_MAX_BYTES);
            }
        }
    }
}
