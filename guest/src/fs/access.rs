//! [`Attributes`] of a file, and who may do what with it: permission bits, the sticky bit, what
//! chmod, chown and utimensat ask for. `tree.rs` asks for directories, the kernel for the rest.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::BitOr;

use linux_raw_sys::general as linux;

use crate::errno::Errno;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes.
    Regular,
    /// Names.
    Directory,
    /// A path.
    Symlink,
    /// A device of characters.
    CharDevice,
    /// A device of blocks.
    BlockDevice,
    /// A pipe with a name.
    Fifo,
    /// A socket with a name.
    Socket,
}

impl Kind {
    const ALL: [(Kind, u32); 7] = [
        (Kind::Regular, linux::S_IFREG),
        (Kind::Directory, linux::S_IFDIR),
        (Kind::Symlink, linux::S_IFLNK),
        (Kind::CharDevice, linux::S_IFCHR),
        (Kind::BlockDevice, linux::S_IFBLK),
        (Kind::Fifo, linux::S_IFIFO),
        (Kind::Socket, linux::S_IFSOCK),
    ];

    /// The kind in the upper bits of a mode.
    pub fn of_mode(mode: u32) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, bits)| *bits == mode & linux::S_IFMT);
        found.map(|(kind, _)| *kind)
    }

    /// The upper bits of a mode.
    pub fn mode(self) -> u32 {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or(0, |(_, bits)| *bits)
    }

    /// `d_type` of a directory's entry: DT_REG and so on, which are the mode's bits.
    pub fn entry_type(self) -> u8 {
        (self.mode() >> 12) as u8
    }
}

/// A time of day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// And nanoseconds, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl Time {
    /// From nanoseconds since 1970.
    pub const fn of_ns(ns: u64) -> Self {
        Self { seconds: (ns / 1_000_000_000) as i64, nanoseconds: (ns % 1_000_000_000) as u32 }
    }
}

/// What is known of a file besides its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub kind: Kind,
    /// The lower twelve bits of its mode.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names it has; for a directory 2 and one for each directory in it.
    pub links: u32,
    /// When it was read.
    pub accessed: Time,
    /// When its content changed.
    pub modified: Time,
    /// When anything of it changed.
    pub changed: Time,
}

/// Bits of a mode that are permissions.
pub const PERMISSION_BITS: u16 = 0o7777;
/// Only owners may take names out of the directory.
const STICKY: u16 = 0o1000;
/// Runs as, or in a directory makes files of, its group.
const SET_GROUP: u16 = 0o2000;
/// Runs as its owner.
const SET_USER: u16 = 0o4000;
/// Members of the group may execute it.
const GROUP_EXECUTE: u16 = 0o010;

impl Attributes {
    /// Those of something new without a name.
    pub const fn new(kind: Kind, permissions: u16, owner: &Identity, now: Time) -> Self {
        Self {
            kind,
            permissions: permissions & PERMISSION_BITS,
            uid: owner.uid,
            gid: owner.gid,
            links: 0,
            accessed: now,
            modified: now,
            changed: now,
        }
    }

    /// The whole mode, as stat shows it.
    pub fn mode(&self) -> u32 {
        self.kind.mode() | u32::from(self.permissions)
    }

    /// Something was written: the time, and no set-id bits that a writer could misuse.
    pub fn written(&mut self, now: Time, who: &Identity) {
        (self.modified, self.changed) = (now, now);
        if !who.is_root() {
            self.drop_set_ids();
        }
    }

    fn drop_set_ids(&mut self) {
        if self.kind != Kind::Directory {
            self.permissions &= !SET_USER;
            if self.permissions & GROUP_EXECUTE != 0 {
                self.permissions &= !SET_GROUP;
            }
        }
    }
}

/// The supplementary groups of a process, ascending. Most have none, which costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups(Option<Arc<[u32]>>);

impl Groups {
    /// None.
    pub const NONE: Groups = Groups(None);

    /// These.
    pub fn new(mut groups: Vec<u32>) -> Self {
        groups.sort_unstable();
        if groups.is_empty() { Self::NONE } else { Self(Some(groups.into())) }
    }

    /// The numbers, ascending.
    pub fn as_slice(&self) -> &[u32] {
        self.0.as_deref().unwrap_or_default()
    }

    fn contains(&self, gid: u32) -> bool {
        self.as_slice().binary_search(&gid).is_ok()
    }
}

/// On whose behalf something is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group: what is made belongs to it.
    pub gid: u32,
    /// What other groups the user is in.
    pub groups: Groups,
}

impl Identity {
    /// May do everything.
    pub const ROOT: Identity = Identity::new(0, 0);

    /// A user in one group.
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self { uid, gid, groups: Groups::NONE }
    }

    /// Whether permissions do not bind.
    pub const fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the user is in this group.
    pub fn is_in(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(gid)
    }

    /// EPERM unless the file belongs to this user.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_owner(&self, file: &Attributes) -> Result<(), Errno> {
        if self.is_root() || self.uid == file.uid { Ok(()) } else { Err(Errno::EPERM) }
    }
}

/// What is to be done with a file: the three bits of permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish(pub u8);

impl Wish {
    /// Nothing: only that it is there.
    pub const NONE: Wish = Wish(0);
    /// Read it, list it.
    pub const READ: Wish = Wish(4);
    /// Write it, change its entries.
    pub const WRITE: Wish = Wish(2);
    /// Execute it, search it.
    pub const EXECUTE: Wish = Wish(1);
}

impl BitOr for Wish {
    type Output = Wish;

    fn bitor(self, other: Wish) -> Wish {
        Wish(self.0 | other.0)
    }
}

/// Whether `who` may do this.
///
/// # Errors
/// EACCES.
pub fn check(file: &Attributes, who: &Identity, wish: Wish) -> Result<(), Errno> {
    let bits = file.permissions;
    if who.is_root() {
        let executable = file.kind == Kind::Directory || bits & 0o111 != 0;
        let denied = wish.0 & Wish::EXECUTE.0 != 0 && !executable;
        return if denied { Err(Errno::EACCES) } else { Ok(()) };
    }
    let shift = match () {
        () if who.uid == file.uid => 6,
        () if who.is_in(file.gid) => 3,
        () => 0,
    };
    let granted = (bits >> shift & 0o7) as u8;
    if wish.0 & !granted == 0 { Ok(()) } else { Err(Errno::EACCES) }
}

/// Whether `who` may take the name of `victim` out of `directory`, which they may write.
///
/// # Errors
/// EPERM: the directory is sticky, and neither is theirs.
pub fn check_sticky(
    directory: &Attributes,
    victim: &Attributes,
    who: &Identity,
) -> Result<(), Errno> {
    let theirs = who.is_root() || who.uid == victim.uid || who.uid == directory.uid;
    if directory.permissions & STICKY != 0 && !theirs { Err(Errno::EPERM) } else { Ok(()) }
}

/// Attributes of something that `who` makes in `directory`, with the wanted permissions, from
/// which the umask is already taken.
pub fn inherit(
    directory: &Attributes,
    kind: Kind,
    permissions: u16,
    who: &Identity,
    now: Time,
) -> Attributes {
    let mut made = Attributes::new(kind, permissions, who, now);
    if directory.permissions & SET_GROUP != 0 {
        made.gid = directory.gid;
        let hands_rights_on = permissions & GROUP_EXECUTE != 0;
        if kind == Kind::Directory {
            made.permissions |= SET_GROUP;
        } else if hands_rights_on && !who.is_root() && !who.is_in(directory.gid) {
            made.permissions &= !SET_GROUP;
        }
    }
    made
}

/// A change of attributes that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// chmod.
    Permissions(u16),
    /// chown; `None` leaves it.
    Owner {
        /// New owner.
        uid: Option<u32>,
        /// New group.
        gid: Option<u32>,
    },
    /// utimensat.
    Times {
        /// When it was read.
        accessed: Stamp,
        /// When its content changed.
        modified: Stamp,
    },
}

/// A time that utimensat sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// As it is: UTIME_OMIT.
    Keep,
    /// The present: UTIME_NOW, or no times given.
    Now,
    /// This.
    At(Time),
}

/// Changes attributes, if `who` may.
///
/// # Errors
/// EPERM; EACCES where only the owner or a writer may set the time to the present.
pub fn apply(
    file: &mut Attributes,
    change: Change,
    who: &Identity,
    now: Time,
) -> Result<(), Errno> {
    match change {
        Change::Permissions(permissions) => {
            who.check_owner(file)?;
            file.permissions = permissions & PERMISSION_BITS;
            if !who.is_root() && !who.is_in(file.gid) {
                file.permissions &= !SET_GROUP;
            }
        }
        Change::Owner { uid, gid } => change_owner(file, uid, gid, who)?,
        Change::Times { accessed, modified } => {
            let present = (accessed, modified) == (Stamp::Now, Stamp::Now);
            if (accessed, modified) == (Stamp::Keep, Stamp::Keep) {
                return Ok(());
            }
            match who.check_owner(file) {
                Err(_) if present => check(file, who, Wish::WRITE)?,
                other => other?,
            }
            set_time(&mut file.accessed, accessed, now);
            set_time(&mut file.modified, modified, now);
        }
    }
    file.changed = now;
    Ok(())
}

fn set_time(time: &mut Time, stamp: Stamp, now: Time) {
    match stamp {
        Stamp::Keep => {}
        Stamp::Now => *time = now,
        Stamp::At(wanted) => *time = wanted,
    }
}

fn change_owner(
    file: &mut Attributes,
    uid: Option<u32>,
    gid: Option<u32>,
    who: &Identity,
) -> Result<(), Errno> {
    if !who.is_root() {
        let gives_away = uid.is_some_and(|uid| uid != file.uid || who.uid != file.uid);
        let foreign_group = gid.is_some_and(|gid| who.uid != file.uid || !who.is_in(gid));
        if gives_away || foreign_group {
            return Err(Errno::EPERM);
        }
    }
    file.uid = uid.unwrap_or(file.uid);
    file.gid = gid.unwrap_or(file.gid);
    if uid.is_some() || gid.is_some() {
        file.drop_set_ids();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
