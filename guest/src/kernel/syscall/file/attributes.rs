//! System calls about extended attributes, which no file system here has: what is wrong with the
//! arguments is told first, then EOPNOTSUPP. A file has none to be listed.

use guest::errno::Errno;
use guest::fs::Kind;
use linux_raw_sys::general as linux;

use super::{Answer, file, locate};
use crate::arch::trap::TrapFrame;
use crate::fs::Place;
use crate::fs::names::who;
use crate::mm::user;

/// The file that a call means.
#[derive(Clone, Copy)]
enum By {
    Path,
    Link,
    Descriptor,
}

fn place(frame: &TrapFrame, by: By) -> Result<Place, Errno> {
    match by {
        By::Path => locate(linux::AT_FDCWD as u64, frame.a(0), 0),
        By::Link => locate(linux::AT_FDCWD as u64, frame.a(0), linux::AT_SYMLINK_NOFOLLOW),
        By::Descriptor => {
            let open = file(frame, 0)?;
            open.file()?;
            Ok(open.place().clone())
        }
    }
}

/// What is to be done to an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Read,
    Change,
}

/// EOPNOTSUPP, if nothing else is wrong with an attribute of this name.
fn refuse(place: &Place, name: &[u8], wish: Wish) -> Errno {
    if wish == Wish::Change
        && let Err(errno) = place.check_writable()
    {
        return errno;
    }
    let missing = if wish == Wish::Read { Errno::ENODATA } else { Errno::EPERM };
    let has_content = matches!(place.inode.kind(), Kind::Regular | Kind::Directory);
    if name.starts_with(b"trusted.") && !who().is_root() {
        return missing;
    }
    if name.starts_with(b"user.") && !has_content {
        return missing;
    }
    Errno::EOPNOTSUPP
}

/// The name in argument 1: ERANGE for none, or one that is too long.
fn name(frame: &TrapFrame) -> Result<alloc::vec::Vec<u8>, Errno> {
    let longest = linux::XATTR_NAME_MAX as usize + 1;
    match user::read_string(frame.a(1), longest) {
        Ok(name) if name.is_empty() => Err(Errno::ERANGE),
        Err(Errno::ENAMETOOLONG) => Err(Errno::ERANGE),
        name => name,
    }
}

fn set(frame: &TrapFrame, by: By) -> Answer {
    if frame.a(4) as u32 & !(linux::XATTR_CREATE | linux::XATTR_REPLACE) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = name(frame)?;
    if frame.a(3) > u64::from(linux::XATTR_SIZE_MAX) {
        return Err(Errno::E2BIG);
    }
    Err(refuse(&place(frame, by)?, &name, Wish::Change))
}

fn get(frame: &TrapFrame, by: By) -> Answer {
    let name = name(frame)?;
    Err(refuse(&place(frame, by)?, &name, Wish::Read))
}

fn list(frame: &TrapFrame, by: By) -> Answer {
    place(frame, by).map(|_| 0)
}

fn remove(frame: &TrapFrame, by: By) -> Answer {
    let name = name(frame)?;
    Err(refuse(&place(frame, by)?, &name, Wish::Change))
}

macro_rules! calls {
    ($($name:ident $does:ident $by:ident)*) => {
        $(
            pub(super) fn $name(frame: &mut TrapFrame) -> Answer {
                $does(frame, By::$by)
            }
        )*
    };
}

calls! {
    setxattr set Path
    lsetxattr set Link
    fsetxattr set Descriptor
    getxattr get Path
    lgetxattr get Link
    fgetxattr get Descriptor
    listxattr list Path
    llistxattr list Link
    flistxattr list Descriptor
    removexattr remove Path
    lremovexattr remove Link
    fremovexattr remove Descriptor
}
