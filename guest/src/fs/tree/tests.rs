//! The rules one by one, and long random histories against a model made of paths.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;

use super::super::access;
use super::*;

/// A node for tests.
#[derive(Clone, Debug)]
struct Plain(Rc<Content>);

#[derive(Debug)]
struct Content {
    number: u64,
    attributes: Cell<Attributes>,
    /// The directory it is in, and its name there.
    home: RefCell<Option<(u64, Vec<u8>)>>,
}

fn plain(number: u64, attributes: Attributes) -> Plain {
    Plain(Rc::new(Content { number, attributes: Cell::new(attributes), home: RefCell::default() }))
}

impl Node for Plain {
    fn number(&self) -> u64 {
        self.0.number
    }
    fn attributes(&self) -> Attributes {
        self.0.attributes.get()
    }
    fn change(&self, change: impl FnOnce(&mut Attributes)) {
        let mut attributes = self.0.attributes.get();
        change(&mut attributes);
        self.0.attributes.set(attributes);
    }
    fn named(&self, directory: u64, name: &Arc<[u8]>) {
        *self.0.home.borrow_mut() = Some((directory, name.to_vec()));
    }
    fn unnamed(&self, directory: u64, name: &[u8]) {
        let mut home = self.0.home.borrow_mut();
        if home.as_ref().is_some_and(|(at, own)| *at == directory && own == name) {
            *home = None;
        }
    }
}

const ROOT: u64 = 1;
const ACTOR: Actor = Actor { who: Identity::ROOT, now: Time { seconds: 5, nanoseconds: 0 } };

fn user(uid: u32) -> Actor {
    Actor { who: Identity::new(uid, uid), ..ACTOR }
}

struct World {
    tree: Tree<Plain>,
    next: u64,
}

impl World {
    fn new() -> Self {
        let attributes = Attributes::new(Kind::Directory, 0o755, &Identity::ROOT, Time::default());
        let root = plain(ROOT, attributes);
        Self { tree: Tree::new(root), next: ROOT + 1 }
    }

    fn make(&mut self, directory: u64, name: &str, kind: Kind, by: &Actor) -> Result<u64, Errno> {
        let (number, mode) = (self.next, if kind == Kind::Directory { 0o755 } else { 0o644 });
        self.next += 1;
        let made = self.tree.create(directory, name.as_bytes(), by, |around| {
            let attributes = access::inherit(around, kind, mode, &by.who, by.now);
            Ok(plain(number, attributes))
        });
        made.map(|node| node.number())
    }

    fn directory(&mut self, directory: u64, name: &str) -> u64 {
        self.make(directory, name, Kind::Directory, &ACTOR).expect("a new directory")
    }

    fn file(&mut self, directory: u64, name: &str) -> u64 {
        self.make(directory, name, Kind::Regular, &ACTOR).expect("a new file")
    }

    fn permit(&self, node: &Plain, permissions: u16) {
        node.change(|attributes| attributes.permissions = permissions);
    }

    fn rename(&mut self, from: (u64, &str), to: (u64, &str), manner: Manner) -> Result<(), Errno> {
        let name = |(directory, name): (u64, &'static [u8])| Name { directory, name };
        let leak = |(directory, name): (u64, &str)| (directory, &*name.as_bytes().to_vec().leak());
        self.tree.rename(name(leak(from)), name(leak(to)), manner, &ACTOR).map(|_| ())
    }

    fn links(&self, directory: u64, name: &str) -> u32 {
        let node = self.tree.lookup(directory, name.as_bytes()).expect("it is there");
        node.attributes().links
    }
}

#[test]
fn making_and_removing_counts_links() {
    let mut world = World::new();
    let d = world.directory(ROOT, "d");
    let f = world.file(d, "f");
    assert_eq!((world.links(ROOT, "d"), world.links(d, "f")), (2, 1));
    world.directory(d, "e");
    assert_eq!(world.links(ROOT, "d"), 3);

    let file = world.tree.lookup(d, b"f").expect("made");
    world.tree.link(ROOT, b"g", &file, &ACTOR).expect("another name");
    assert_eq!((world.links(d, "f"), world.links(ROOT, "g")), (2, 2));
    assert_eq!(world.tree.path(d, b"f").as_deref(), Some(&b"/d/f"[..]));
    let gone = world.tree.unlink(d, b"f", &ACTOR).expect("removed");
    assert_eq!((gone.number(), gone.attributes().links), (f, 1));

    assert_eq!(world.tree.remove_directory(ROOT, b"d", &ACTOR).err(), Some(Errno::ENOTEMPTY));
    world.tree.remove_directory(d, b"e", &ACTOR).expect("empty");
    let gone = world.tree.remove_directory(ROOT, b"d", &ACTOR).expect("empty");
    assert_eq!(gone.attributes().links, 0);
    // Whoever still has it open can make nothing in it, and finds nothing.
    assert_eq!(world.make(d, "x", Kind::Regular, &ACTOR), Err(Errno::ENOENT));
    assert!(world.tree.parent(d).is_err() && world.tree.path(d, b"").is_none());
    assert_eq!(world.tree.numbered(d).err(), Some(Errno::ENOENT));
    assert_eq!(world.tree.numbered(ROOT).map(|node| node.number()), Ok(ROOT));
    assert_eq!(world.tree.link(ROOT, b"h", &gone, &ACTOR), Err(Errno::EPERM));
}

#[test]
fn wrong_kinds_are_refused() {
    let mut world = World::new();
    world.directory(ROOT, "d");
    world.file(ROOT, "f");
    let d = world.tree.lookup(ROOT, b"d").expect("made");
    assert_eq!(world.tree.unlink(ROOT, b"d", &ACTOR).err(), Some(Errno::EISDIR));
    assert_eq!(world.tree.remove_directory(ROOT, b"f", &ACTOR).err(), Some(Errno::ENOTDIR));
    assert_eq!(world.tree.unlink(ROOT, b"no", &ACTOR).err(), Some(Errno::ENOENT));
    assert_eq!(world.tree.link(ROOT, b"x", &d, &ACTOR), Err(Errno::EPERM));
    assert_eq!(world.make(ROOT, "f", Kind::Directory, &ACTOR), Err(Errno::EEXIST));
}

#[test]
fn names_are_changed_by_those_who_may() {
    let mut world = World::new();
    let d = world.directory(ROOT, "d");
    let theirs = world.directory(ROOT, "theirs");
    let d_node = world.tree.lookup(ROOT, b"d").expect("made");
    world.permit(&world.tree.lookup(ROOT, b"theirs").expect("made"), 0o777);
    assert_eq!(world.make(d, "x", Kind::Regular, &user(7)), Err(Errno::EACCES));
    // What is there is said to be there, even to those who may not make anything.
    world.file(d, "x");
    assert_eq!(world.make(d, "x", Kind::Regular, &user(7)), Err(Errno::EEXIST));
    assert_eq!(world.tree.unlink(d, b"x", &user(7)).err(), Some(Errno::EACCES));

    world.permit(&d_node, 0o1777);
    world.make(d, "mine", Kind::Regular, &user(7)).expect("all may write");
    world.make(d, "dir", Kind::Directory, &user(8)).expect("all may write");
    assert_eq!(world.tree.unlink(d, b"mine", &user(8)).err(), Some(Errno::EPERM));
    let move_it = |world: &mut World, name: &'static [u8], by: &Actor| {
        let from = Name { directory: d, name };
        let to = Name { directory: theirs, name };
        world.tree.rename(from, to, Manner::Replace, by).map(|_| ())
    };
    assert_eq!(move_it(&mut world, b"mine", &user(8)), Err(Errno::EPERM));
    world.permit(&d_node, 0o777);
    // A directory gets another `..`: that is writing it.
    assert_eq!(move_it(&mut world, b"dir", &user(7)), Err(Errno::EACCES));
    assert_eq!(move_it(&mut world, b"dir", &user(8)), Ok(()));
    assert_eq!(move_it(&mut world, b"mine", &user(8)), Ok(()));
}

#[test]
fn renaming_keeps_the_rules() {
    use Manner::{Exchange, NoReplace, Replace};
    for (from, to, manner, expect) in [
        ("f", "new", Replace, Ok(())),
        ("f", "g", Replace, Ok(())),
        ("f", "f", Replace, Ok(())),
        ("f", "g", NoReplace, Err(Errno::EEXIST)),
        ("f", "f", NoReplace, Err(Errno::EEXIST)),
        ("f", "new", NoReplace, Ok(())),
        ("f", "new", Exchange, Err(Errno::ENOENT)),
        ("f", "full", Exchange, Ok(())),
        ("no", "g", Replace, Err(Errno::ENOENT)),
        ("f", "empty", Replace, Err(Errno::EISDIR)),
        ("empty", "f", Replace, Err(Errno::ENOTDIR)),
        ("empty", "full", Replace, Err(Errno::ENOTEMPTY)),
        ("full", "empty", Replace, Ok(())),
        ("full", "full", Replace, Ok(())),
    ] {
        let mut world = World::new();
        let full = world.directory(ROOT, "full");
        world.directory(ROOT, "empty");
        world.file(full, "inner");
        world.file(ROOT, "f");
        world.file(ROOT, "g");
        let found = world.rename((ROOT, from), (ROOT, to), manner);
        assert_eq!(found, expect, "{from} {to} {manner:?}");
    }
}

#[test]
fn a_directory_does_not_go_into_itself() {
    let mut world = World::new();
    let a = world.directory(ROOT, "a");
    let b = world.directory(a, "b");
    world.directory(b, "c");
    for (from, to, manner, errno) in [
        ((ROOT, "a"), (a, "x"), Manner::Replace, Errno::EINVAL),
        ((ROOT, "a"), (b, "c"), Manner::Replace, Errno::EINVAL),
        ((b, "c"), (ROOT, "a"), Manner::Replace, Errno::ENOTEMPTY),
        ((b, "c"), (ROOT, "a"), Manner::Exchange, Errno::EINVAL),
    ] {
        assert_eq!(world.rename(from, to, manner), Err(errno), "{from:?} {to:?}");
    }
    world.rename((b, "c"), (ROOT, "c"), Manner::Replace).expect("outwards is fine");
    assert_eq!((world.links(a, "b"), world.links(ROOT, "a")), (2, 3));
}

#[test]
fn two_names_of_one_file_both_stay() {
    let mut world = World::new();
    world.file(ROOT, "f");
    let file = world.tree.lookup(ROOT, b"f").expect("made");
    world.tree.link(ROOT, b"g", &file, &ACTOR).expect("another name");
    world.rename((ROOT, "f"), (ROOT, "g"), Manner::Replace).expect("nothing to do");
    assert_eq!(world.links(ROOT, "f"), 2);
}

/// Something done to the tree. Directories and names are picked by number.
#[derive(Clone, Debug)]
enum Step {
    File(usize, usize),
    Directory(usize, usize),
    Link((usize, usize), (usize, usize)),
    Unlink(usize, usize),
    RemoveDirectory(usize, usize),
    Rename((usize, usize), (usize, usize), u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = || (0..6usize, 0..4usize);
    let step = prop_oneof![
        at().prop_map(|(d, n)| Step::File(d, n)),
        at().prop_map(|(d, n)| Step::Directory(d, n)),
        (at(), at()).prop_map(|(f, t)| Step::Link(f, t)),
        at().prop_map(|(d, n)| Step::Unlink(d, n)),
        at().prop_map(|(d, n)| Step::RemoveDirectory(d, n)),
        (at(), at(), 0..3u8).prop_map(|(f, t, m)| Step::Rename(f, t, m)),
    ];
    prop::collection::vec(step, 1..60)
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// The same tree as a map from full paths to numbers and whether they are directories.
type Model = BTreeMap<String, (u64, bool)>;

fn model_rename(model: &mut Model, from: &str, to: &str, manner: u8) -> bool {
    let Some((number, directory)) = model.get(from).copied() else { return false };
    let old = model.get(to).copied();
    let inside = |outer: &str, inner: &str| inner.starts_with(&format!("{outer}/"));
    if manner == 1 && old.is_some() || manner == 2 && old.is_none() {
        return false;
    }
    if inside(from, to) || inside(to, from) {
        return false;
    }
    let Some((victim, victim_directory)) = old else {
        shift(model, from, to);
        return true;
    };
    if victim == number {
        return true;
    }
    if manner == 2 {
        shift(model, from, "/tmp");
        shift(model, to, from);
        shift(model, "/tmp", to);
        return true;
    }
    let full = model.keys().any(|path| inside(to, path));
    if directory != victim_directory || full {
        return false;
    }
    model.remove(to);
    shift(model, from, to);
    true
}

/// Moves a path and all below it.
fn shift(model: &mut Model, from: &str, to: &str) {
    let below = format!("{from}/");
    let paths: Vec<_> = model.keys().cloned().collect();
    for path in paths.iter().filter(|path| *path == from || path.starts_with(&below)) {
        let entry = model.remove(path).expect("listed");
        model.insert(format!("{to}{}", &path[from.len()..]), entry);
    }
}

fn apply(world: &mut World, model: &mut Model, step: &Step) -> (bool, bool) {
    let mut directories = vec![(String::new(), ROOT)];
    directories.extend(
        model.iter().filter(|(_, (_, is))| *is).map(|(path, (number, _))| (path.clone(), *number)),
    );
    let place = |d: usize, n: usize| {
        let (path, number) = &directories[d % directories.len()];
        (format!("{path}/{}", NAMES[n]), *number, NAMES[n])
    };
    match *step {
        Step::File(d, n) | Step::Directory(d, n) => {
            let is_directory = matches!(step, Step::Directory(..));
            let kind = if is_directory { Kind::Directory } else { Kind::Regular };
            let (path, directory, name) = place(d, n);
            let number = world.next;
            let found = world.make(directory, name, kind, &ACTOR).is_ok();
            let free = !model.contains_key(&path);
            if free {
                model.insert(path, (number, is_directory));
            }
            (found, free)
        }
        Step::Link(from, to) => {
            let ((old, d, n), (new, e, m)) = (place(from.0, from.1), place(to.0, to.1));
            let node = world.tree.lookup(d, n.as_bytes());
            let found =
                node.is_ok_and(|node| world.tree.link(e, m.as_bytes(), &node, &ACTOR).is_ok());
            let entry = model.get(&old).copied().filter(|(_, is_directory)| !is_directory);
            let fine = entry.is_some() && !model.contains_key(&new);
            if let (true, Some(entry)) = (fine, entry) {
                model.insert(new, entry);
            }
            (found, fine)
        }
        Step::Unlink(d, n) | Step::RemoveDirectory(d, n) => {
            let wants_directory = matches!(step, Step::RemoveDirectory(..));
            let (path, d, n) = place(d, n);
            let found = match wants_directory {
                true => world.tree.remove_directory(d, n.as_bytes(), &ACTOR).is_ok(),
                false => world.tree.unlink(d, n.as_bytes(), &ACTOR).is_ok(),
            };
            let below = format!("{path}/");
            let fine = model.get(&path).is_some_and(|(_, is)| *is == wants_directory)
                && !model.keys().any(|other| other.starts_with(&below));
            if fine {
                model.remove(&path);
            }
            (found, fine)
        }
        Step::Rename(from, to, manner) => {
            let ((old, d, n), (new, e, m)) = (place(from.0, from.1), place(to.0, to.1));
            let manners = [Manner::Replace, Manner::NoReplace, Manner::Exchange];
            let found = world.rename((d, n), (e, m), manners[usize::from(manner)]).is_ok();
            (found, model_rename(model, &old, &new, manner))
        }
    }
}

/// Lists the tree from the root, and checks what each directory says of itself.
fn list(world: &World) -> Model {
    let mut found = Model::new();
    let mut pending = vec![(String::new(), ROOT)];
    while let Some((path, directory)) = pending.pop() {
        let (mut cookies, mut inner) = (BTreeSet::new(), 0);
        let visit = |entry: Listed<'_, Plain>| {
            assert!(cookies.insert(entry.cookie), "no cookie twice");
            let path = format!("{path}/{}", String::from_utf8_lossy(entry.name));
            let is_directory = entry.node.attributes().kind == Kind::Directory;
            if is_directory {
                inner += 1;
                pending.push((path.clone(), entry.node.number()));
                let parent = world.tree.parent(entry.node.number()).expect("in the tree");
                assert_eq!(parent.number(), directory);
                let said = world.tree.path(entry.node.number(), b"").expect("in the tree");
                assert_eq!(said, path.as_bytes());
            }
            // What a file calls its home is one of its names, if it has a home.
            if let Some((home, name)) = &*entry.node.0.home.borrow() {
                let there = world.tree.lookup(*home, name).expect("its home");
                assert_eq!(there.number(), entry.node.number());
            }
            found.insert(path, (entry.node.number(), is_directory));
            true
        };
        world.tree.read(directory, 0, visit).expect("in the tree");
        let links = world.tree.directory(directory).expect("in the tree").node.attributes().links;
        assert_eq!(links, 2 + inner, "links of {path}/");
    }
    found
}

proptest! {
    #[test]
    fn the_tree_does_as_a_model_of_paths(steps in steps()) {
        let (mut world, mut model) = (World::new(), Model::new());
        for step in &steps {
            let (found, expect) = apply(&mut world, &mut model, step);
            prop_assert_eq!(found, expect, "{:?} in {:?}", step, &model);
            prop_assert_eq!(&list(&world), &model);
        }
        for (path, (number, is_directory)) in &model {
            let (_, name) = path.rsplit_once('/').expect("a slash");
            let parent = path[..path.len() - name.len() - 1].to_owned();
            let directory = model.get(&parent).map_or(ROOT, |(number, _)| *number);
            if !is_directory {
                let names = model.values().filter(|(other, _)| other == number).count();
                prop_assert_eq!(world.links(directory, name) as usize, names);
            }
        }
    }
}
