//! Every order that is asked of the cache matters: without it, some power cut leaves what e2fsck
//! does not repair by itself, or what does harm where a kernel mounts it first. A cut may leave
//! whatever the order of writes allows, not only what this cache would write.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::Location;
use std::rc::Rc;

use super::super::cache::Pending;
use super::super::{Access, Error, Ext2, New, Options, ROOT_INODE};
use super::deeds::{SCENES, Scene};
use super::format::{SMALL, format};
use super::memory::{MemoryDisk, NOW};
use super::tools;
use super::world::root;
use crate::fs::{Identity, Kind};

/// Where an order is asked for.
type Site = (&'static str, u32);

thread_local! {
    static LEFT_OUT: Cell<Option<Site>> = const { Cell::new(None) };
    static ASKED: RefCell<BTreeSet<Site>> = const { RefCell::new(BTreeSet::new()) };
}

/// Whether the order that is asked for there is to be forgotten.
pub(in super::super) fn is_left_out(at: &'static Location<'static>) -> bool {
    let site = (at.file(), at.line());
    ASKED.with_borrow_mut(|asked| asked.insert(site));
    LEFT_OUT.get() == Some(site)
}

/// Names, by directory: what they lead to.
type Names = BTreeMap<(u32, Vec<u8>), u32>;

/// A file system in the midst of something.
pub(super) struct Stage {
    pub(super) system: Ext2<MemoryDisk>,
    /// What the disk holds, and how many writes that is.
    image: Vec<u8>,
    writes: usize,
    /// What a power cut may leave, and the names that there were before.
    left: Vec<(Vec<u8>, Rc<Names>)>,
    known: HashSet<Vec<u8>>,
    before: Rc<Names>,
    /// How many files got a name that is as good as any.
    named: u32,
}

fn mount(image: Vec<u8>) -> Ext2<MemoryDisk> {
    let options = Options { buffers: 100, access: Access::ReadWrite, now: NOW };
    Ext2::mount(MemoryDisk::new(image), options).expect("a file system")
}

impl Stage {
    fn new(image: Vec<u8>) -> Self {
        let system = mount(image);
        let image = system.disk().image();
        let writes = system.disk().writes();
        let (left, known, before) = (Vec::new(), HashSet::new(), Rc::default());
        Self { system, image, writes, left, known, before, named: 0 }
    }

    /// A name that nothing has.
    pub(super) fn next_name(&mut self) -> Vec<u8> {
        self.named += 1;
        format!("any {}", self.named).into_bytes()
    }

    /// All that was done is on the disk; what counts comes now.
    pub(super) fn begin(&mut self) {
        self.system.sync().expect("synced");
        (self.image, self.writes) = (self.system.disk().image(), self.system.disk().writes());
        self.before = Rc::new(names(&mut self.system).expect("it makes sense"));
        ASKED.set(BTreeSet::new());
    }

    /// The same, after something that counts as well.
    pub(super) fn begin_again(&mut self) {
        let asked = ASKED.take();
        self.begin();
        ASKED.set(asked);
    }

    /// The power may be cut now, or may have been since the last time.
    pub(super) fn cut(&mut self) {
        for (position, bytes) in self.system.disk().written().split_off(self.writes) {
            self.image[position as usize..][..bytes.len()].copy_from_slice(&bytes);
            self.writes += 1;
            self.leave(&BTreeSet::new(), &[]);
        }
        let pending = self.system.cache.pending();
        for one in &pending {
            // As little as goes with this block.
            self.leave(&closure(one.number, |block| before(&pending, block)), &pending);
        }
    }

    /// The disk with these blocks is something that may be left.
    fn leave(&mut self, blocks: &BTreeSet<u32>, pending: &[Pending]) {
        let mut image = self.image.clone();
        for block in pending.iter().filter(|block| blocks.contains(&block.number)) {
            let at = block.number as usize * block.bytes.len();
            image[at..at + block.bytes.len()].copy_from_slice(&block.bytes);
        }
        if self.known.insert(image.clone()) {
            self.left.push((image, self.before.clone()));
        }
    }
}

fn before(pending: &[Pending], block: u32) -> Vec<u32> {
    let found = pending.iter().find(|other| other.number == block);
    found.map(|block| block.after.clone()).unwrap_or_default()
}

/// A block, and all that `more` leads to from there.
fn closure(block: u32, more: impl Fn(u32) -> Vec<u32>) -> BTreeSet<u32> {
    let (mut found, mut left) = (BTreeSet::new(), vec![block]);
    while let Some(block) = left.pop() {
        if found.insert(block) {
            left.extend(more(block));
        }
    }
    found
}

/// All names. Where `..` of a directory leads, there is a name of it.
fn names(system: &mut Ext2<MemoryDisk>) -> Result<Names, String> {
    let (mut all, mut left, mut seen) = (Names::new(), vec![ROOT_INODE], BTreeSet::new());
    while let Some(directory) = left.pop() {
        if !seen.insert(directory) {
            continue;
        }
        let mut entries = Vec::new();
        let listed = system.list(directory, 0, &mut |entry| {
            entries.push((entry.name.to_vec(), entry.inode));
            true
        });
        listed.map_err(|error| format!("list of {directory}: {error}"))?;
        for (name, inode) in entries {
            if name == b"." || name == b".." {
                continue;
            }
            // A name without a file is what e2fsck takes away.
            let Ok(attributes) = system.attributes(inode) else { continue };
            if attributes.kind == Kind::Directory {
                left.push(inode);
            }
            all.insert((directory, name), inode);
        }
    }
    for inode in seen.into_iter().filter(|inode| *inode != ROOT_INODE) {
        let parent = system.parent(inode).map_err(|error| error.to_string())?;
        if !all.iter().any(|((around, _), other)| *around == parent && *other == inode) {
            return Err(format!("{inode} is not in {parent}"));
        }
    }
    Ok(all)
}

/// No file has more names than it says; but something that is renamed, for now.
fn check_links(system: &mut Ext2<MemoryDisk>, scene: &Scene) -> Result<(), String> {
    let mut counts = BTreeMap::new();
    for inode in names(system)?.into_values() {
        *counts.entry(inode).or_insert(0) += 1;
    }
    for (inode, count) in counts.into_iter().filter(|_| !scene.renames) {
        let links = system.attributes(inode).map_err(|error| error.to_string())?.links;
        if links < count {
            return Err(format!("{inode} has {count} names"));
        }
    }
    Ok(())
}

/// Takes all inodes and blocks that are free.
fn fill(system: &mut Ext2<MemoryDisk>) -> Result<(), Error> {
    for index in 0.. {
        let (name, new) = (format!("fill {index}"), New::Plain(Kind::Regular, 0o644));
        let done = system.create(ROOT_INODE, name.as_bytes(), new, &root()).and_then(|file| {
            let taken =
                system.allocate_run(file, (0, 12), &Identity::ROOT).map(|taken| taken.count);
            system.resize(file, u64::from(*taken.as_ref().unwrap_or(&0)) << 10, NOW)?;
            taken
        });
        match done {
            Ok(_) => {}
            Err(Error::NoSpace) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn preen(image: &[u8], scene: &Scene) -> Result<Vec<u8>, String> {
    let options: &[&str] = if scene.needs_force { &["-fy"] } else { &["-p"] };
    let judged = tools::e2fsck(options, image);
    let is_good = judged.code <= 1 && !judged.said.contains("ultiply-claimed");
    if is_good { Ok(judged.image) } else { Err(judged.said) }
}

/// Whether an image may be left, where there was something before and something else is there
/// after.
fn judge(image: &[u8], scene: &Scene, before: &Names, after: &Names) -> Result<(), String> {
    let mut system = mount(image.to_vec());
    check_links(&mut system, scene)?;
    (scene.then)(&mut system);
    fill(&mut system).map_err(|error| error.to_string())?;
    check_links(&mut system, scene)?;
    system.unmount(NOW).map_err(|error| error.to_string())?;
    preen(&system.into_disk().into_image(), scene)?;
    let found = names(&mut mount(preen(image, scene)?))?;
    if scene.needs_force {
        return Ok(());
    }
    let stays = |key: &&(u32, Vec<u8>)| after.contains_key(*key);
    if let Some(lost) = before.keys().filter(stays).find(|key| !found.contains_key(*key)) {
        return Err(format!("{} is lost", String::from_utf8_lossy(&lost.1)));
    }
    let numbers: BTreeSet<u32> = found.values().copied().collect();
    let stays = |inode: &&u32| after.values().any(|other| other == *inode);
    match before.values().filter(stays).find(|inode| !numbers.contains(inode)) {
        Some(lost) => Err(format!("{lost} is lost")),
        None => Ok(()),
    }
}

/// Plays a scene; what is wrong with what a power cut may leave, and which orders were asked for.
fn play(scene: &Scene, image: Vec<u8>, left_out: Option<Site>) -> (Result<(), String>, Vec<Site>) {
    let mut stage = Stage::new(image);
    LEFT_OUT.set(left_out);
    (scene.act)(&mut stage);
    let asked = ASKED.with_borrow(|asked| asked.iter().copied().collect());
    LEFT_OUT.set(None);
    let Stage { mut system, left, .. } = stage;
    let after = names(&mut system).expect("it makes sense");
    let judged = left.iter().try_for_each(|(image, before)| judge(image, scene, before, &after));
    (judged, asked)
}

/// A place for what e2fsck finds.
fn with_lost_and_found(image: Vec<u8>) -> Vec<u8> {
    let mut system = mount(image);
    let new = New::Plain(Kind::Directory, 0o700);
    system.create(ROOT_INODE, b"lost+found", new, &root()).expect("made");
    system.unmount(NOW).expect("unmounted");
    system.into_disk().into_image()
}

#[test]
fn every_order_matters() {
    if !tools::are_there("every_order_matters") {
        return;
    }
    let (mut proven, mut asked) = (BTreeSet::new(), BTreeSet::new());
    let image = with_lost_and_found(format(SMALL));
    for scene in SCENES {
        let image = (scene.furnish)(image.clone());
        let (judged, sites) = play(scene, image.clone(), None);
        assert_eq!(judged, Ok(()), "{}", scene.name);
        for site in sites {
            asked.insert(site);
            if !proven.contains(&site) && play(scene, image.clone(), Some(site)).0.is_err() {
                proven.insert(site);
            }
        }
    }
    let idle: Vec<_> = asked.difference(&proven).collect();
    assert!(idle.is_empty(), "nothing happens without these: {idle:#?}");
    let sources = [
        include_str!("../bitmap.rs"),
        include_str!("../blocks.rs"),
        include_str!("../names.rs"),
        include_str!("../orphan.rs"),
        include_str!("../rename.rs"),
    ];
    let sites: usize = sources.iter().map(|source| source.matches(".cache.order(").count()).sum();
    assert_eq!(sites, proven.len(), "{proven:#?}");
}
