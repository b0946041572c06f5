//! Ways through a small tree, and rules that hold for every way.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

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

/// A tree by numbers; 0 is the root.
#[derive(Debug, Default)]
struct Tree(Vec<Node>);

#[derive(Debug)]
struct Node {
    kind: Kind,
    parent: usize,
    names: BTreeMap<Vec<u8>, usize>,
    text: Vec<u8>,
}

impl Tree {
    /// Each thing is in some directory before it, unless its name is taken there.
    fn new(things: &[(u8, u8, String)]) -> Self {
        let node = |kind, parent, text: &str| Node {
            kind,
            parent,
            names: BTreeMap::new(),
            text: text.into(),
        };
        let mut tree = Self(vec![node(Kind::Directory, 0, "")]);
        for (index, (kind, around, text)) in things.iter().enumerate() {
            let directories = (0..tree.0.len()).filter(|at| tree.0[*at].kind == Kind::Directory);
            let directories: Vec<usize> = directories.collect();
            let parent = directories[usize::from(*around) % directories.len()];
            let kind = [Kind::Directory, Kind::Symlink, Kind::Regular][usize::from(kind % 3)];
            let (name, number) = (vec![b"abc"[index % 3]], tree.0.len());
            if let Entry::Vacant(vacant) = tree.0[parent].names.entry(name) {
                vacant.insert(number);
                tree.0.push(node(kind, parent, text));
            }
        }
        tree
    }

    /// Part by part, as POSIX has it ("Pathname Resolution"): a link's text is a way of its own.
    fn resolve(
        &self,
        from: usize,
        path: &[u8],
        goal: Goal,
        links: &mut usize,
    ) -> Result<usize, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut at = if path[0] == b'/' { 0 } else { from };
        let parts: Vec<&[u8]> =
            path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
        let slashes = path.ends_with(b"/");
        for (index, part) in parts.iter().enumerate() {
            if self.0[at].kind != Kind::Directory {
                return Err(Errno::ENOTDIR);
            }
            at = match *part {
                b"." => at,
                b".." => self.0[at].parent,
                name => {
                    let found = *self.0[at].names.get(name).ok_or(Errno::ENOENT)?;
                    let through = index + 1 < parts.len() || slashes || goal == Goal::Target;
                    if self.0[found].kind == Kind::Symlink && through {
                        *links += 1;
                        if *links > LINKS_MAX {
                            return Err(Errno::ELOOP);
                        }
                        self.resolve(at, &self.0[found].text, Goal::Target, links)?
                    } else {
                        found
                    }
                }
            };
        }
        let is_good = !slashes || self.0[at].kind == Kind::Directory;
        if is_good { Ok(at) } else { Err(Errno::ENOTDIR) }
    }
}

impl Namespace for Tree {
    type Place = usize;

    fn root(&self) -> usize {
        0
    }
    fn kind(&self, place: &usize) -> Kind {
        self.0[*place].kind
    }
    fn may_search(&self, _: &usize) -> Result<(), Errno> {
        Ok(())
    }
    fn lookup(&self, directory: &usize, name: &[u8]) -> Result<usize, Errno> {
        self.0[*directory].names.get(name).copied().ok_or(Errno::ENOENT)
    }
    fn parent(&self, directory: &usize) -> usize {
        self.0[*directory].parent
    }
    fn follow(&self, link: &usize) -> Result<Target<usize>, Errno> {
        Ok(Target::Path(self.0[*link].text.clone()))
    }
}

proptest! {
    /// In any tree every way leads where it leads by the definition.
    #[test]
    fn ways_are_those_of_the_definition(
        things in prop::collection::vec((any::<u8>(), any::<u8>(), "/?[abc.]{1,2}(/[abc.]{1,2}){0,3}/?"), 1..25),
        paths in prop::collection::vec("/?[abc.]{1,2}(//?[abc.]{1,2}){0,5}/?", 1..12),
        start in any::<u8>(),
    ) {
        let tree = Tree::new(&things);
        let is_directory = |at: &usize| tree.0[*at].kind == Kind::Directory;
        let directories: Vec<usize> = (0..tree.0.len()).filter(is_directory).collect();
        let start = directories[usize::from(start) % directories.len()];
        for path in paths {
            for goal in [Goal::Entry, Goal::Target] {
                let found = walk(&tree, start, path.as_bytes(), goal).and_then(Walked::found);
                let want = tree.resolve(start, path.as_bytes(), goal, &mut 0);
                prop_assert_eq!(found, want, "{} {:?}", path, goal);
            }
        }
    }
}
