//! System calls about who a process is: users and groups (`credentials(7)`).

use alloc::vec::Vec;

use guest::errno::Errno;
use guest::fs::access::Groups;

use super::{Answer, Row};
use crate::arch::trap::TrapFrame;
use crate::mm::user;
use crate::task::current_process;

pub(super) const ROWS: &[Row] = rows! {
    __NR_getegid getegid
    __NR_geteuid geteuid
    __NR_getgid getgid
    __NR_getgroups getgroups
    __NR_getresgid getresgid
    __NR_getresuid getresuid
    __NR_getuid getuid
    __NR_setfsgid setfsgid
    __NR_setfsuid setfsuid
    __NR_setgid setgid
    __NR_setgroups setgroups
    __NR_setregid setregid
    __NR_setresgid setresgid
    __NR_setresuid setresuid
    __NR_setreuid setreuid
    __NR_setuid setuid
};

/// Most supplementary groups.
const GROUPS_MAX: usize = 65536;
/// "Leave it as it is".
const SAME: u32 = u32::MAX;

/// Real, effective and saved number, of the user or of the group.
type Numbers = [u32; 3];

/// Which numbers a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    User,
    Group,
}

fn numbers(kind: Kind) -> Numbers {
    let all = current_process().credentials();
    match kind {
        Kind::User => [all.uid, all.euid, all.suid],
        Kind::Group => [all.gid, all.egid, all.sgid],
    }
}

/// Changes numbers: `change` gets the old ones, and whether the caller is the superuser.
fn change(kind: Kind, change: impl FnOnce(Numbers, Power) -> Result<Numbers, Errno>) -> Answer {
    current_process().change_credentials(|all| {
        let power = if all.is_root() { Power::Any } else { Power::Own };
        match kind {
            Kind::User => {
                let new = change([all.uid, all.euid, all.suid], power)?;
                [all.uid, all.euid, all.suid] = new;
            }
            Kind::Group => {
                let new = change([all.gid, all.egid, all.sgid], power)?;
                [all.gid, all.egid, all.sgid] = new;
            }
        }
        Ok(())
    })?;
    Ok(0)
}

/// Which numbers a process may take on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    /// The superuser's.
    Any,
    /// Those that it has.
    Own,
}

impl Power {
    fn check(self, allowed: &[u32], wanted: u32) -> Result<(), Errno> {
        let good = self == Power::Any || wanted == SAME || allowed.contains(&wanted);
        if good { Ok(()) } else { Err(Errno::EPERM) }
    }
}

fn or(wanted: u32, old: u32) -> u32 {
    if wanted == SAME { old } else { wanted }
}

fn getuid(_: &mut TrapFrame) -> Answer {
    Ok(u64::from(numbers(Kind::User)[0]))
}

fn geteuid(_: &mut TrapFrame) -> Answer {
    Ok(u64::from(numbers(Kind::User)[1]))
}

fn getgid(_: &mut TrapFrame) -> Answer {
    Ok(u64::from(numbers(Kind::Group)[0]))
}

fn getegid(_: &mut TrapFrame) -> Answer {
    Ok(u64::from(numbers(Kind::Group)[1]))
}

fn get_all(frame: &TrapFrame, kind: Kind) -> Answer {
    for (index, number) in numbers(kind).iter().enumerate() {
        user::write(frame.a(index), number)?;
    }
    Ok(0)
}

fn getresuid(frame: &mut TrapFrame) -> Answer {
    get_all(frame, Kind::User)
}

fn getresgid(frame: &mut TrapFrame) -> Answer {
    get_all(frame, Kind::Group)
}

fn set_one(frame: &TrapFrame, kind: Kind) -> Answer {
    let wanted = frame.a(0) as u32;
    if wanted == SAME {
        return Err(Errno::EINVAL);
    }
    change(kind, |[real, _, saved], power| {
        power.check(&[real, saved], wanted)?;
        Ok(if power == Power::Any { [wanted; 3] } else { [real, wanted, saved] })
    })
}

fn setuid(frame: &mut TrapFrame) -> Answer {
    set_one(frame, Kind::User)
}

fn setgid(frame: &mut TrapFrame) -> Answer {
    set_one(frame, Kind::Group)
}

fn set_two(frame: &TrapFrame, kind: Kind) -> Answer {
    let [new_real, new_effective] = [0, 1].map(|index| frame.a(index) as u32);
    change(kind, |[real, effective, saved], power| {
        power.check(&[real, effective], new_real)?;
        power.check(&[real, effective, saved], new_effective)?;
        let now = or(new_effective, effective);
        let takes_over = new_real != SAME || new_effective != SAME && new_effective != real;
        Ok([or(new_real, real), now, if takes_over { now } else { saved }])
    })
}

fn setreuid(frame: &mut TrapFrame) -> Answer {
    set_two(frame, Kind::User)
}

fn setregid(frame: &mut TrapFrame) -> Answer {
    set_two(frame, Kind::Group)
}

fn set_three(frame: &TrapFrame, kind: Kind) -> Answer {
    let wanted = [0, 1, 2].map(|index| frame.a(index) as u32);
    change(kind, |old, power| {
        wanted.iter().try_for_each(|wanted| power.check(&old, *wanted))?;
        Ok(core::array::from_fn(|index| or(wanted[index], old[index])))
    })
}

fn setresuid(frame: &mut TrapFrame) -> Answer {
    set_three(frame, Kind::User)
}

fn setresgid(frame: &mut TrapFrame) -> Answer {
    set_three(frame, Kind::Group)
}

/// Files are looked at as the effective user here, so there is nothing to change.
fn setfsuid(_: &mut TrapFrame) -> Answer {
    Ok(u64::from(numbers(Kind::User)[1]))
}

fn setfsgid(_: &mut TrapFrame) -> Answer {
    Ok(u64::from(numbers(Kind::Group)[1]))
}

fn getgroups(frame: &mut TrapFrame) -> Answer {
    let (_, groups) = current_process().identity();
    let groups = groups.as_slice();
    let room = usize::try_from(frame.a(0) as i32).map_err(|_| Errno::EINVAL)?;
    if room != 0 {
        if room < groups.len() {
            return Err(Errno::EINVAL);
        }
        for (index, group) in groups.iter().enumerate() {
            user::write(frame.a(1).wrapping_add(4 * index as u64), group)?;
        }
    }
    Ok(groups.len() as u64)
}

fn setgroups(frame: &mut TrapFrame) -> Answer {
    let process = current_process();
    if !process.credentials().is_root() {
        return Err(Errno::EPERM);
    }
    let count = frame.a(0) as u32 as usize;
    if count > GROUPS_MAX {
        return Err(Errno::EINVAL);
    }
    let mut groups: Vec<u32> = Vec::new();
    groups.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for index in 0..count {
        groups.push(user::read(frame.a(1).wrapping_add(4 * index as u64))?);
    }
    process.set_groups(Groups::new(groups));
    Ok(0)
}
