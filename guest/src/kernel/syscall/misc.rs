//! System calls about the system as a whole, and what fits nowhere else.

use alloc::vec::Vec;
use alloc::{format, vec};
use core::sync::atomic::{AtomicU64, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::log::{Line, Record};
use guest::task::signal::number;
use linux_raw_sys::{general as linux, prctl as options};

use super::{Answer, Row};
use crate::arch::tlb;
use crate::arch::trap::TrapFrame;
use crate::debug;
use crate::dev::finisher;
use crate::fs::ext2;
use crate::mm::{self, user};
use crate::proc::uts;
use crate::sched;
use crate::task::{self, Name, current_process, random, table};
use crate::time as clock;

pub(super) const ROWS: &[Row] = rows! {
    __NR_capget capget
    __NR_capset capset
    __NR_getrandom getrandom
    __NR_membarrier membarrier
    __NR_personality personality
    __NR_prctl prctl
    __NR_reboot reboot
    __NR_setdomainname setdomainname
    __NR_sethostname sethostname
    __NR_sysinfo sysinfo
    __NR_syslog syslog
    __NR_umask umask
    __NR_uname uname
};

/// `_UTSNAME_LENGTH`.
const FIELD_BYTES: usize = 65;
/// Fields of `struct utsname`.
const FIELDS: usize = 6;

fn uname(frame: &mut TrapFrame) -> Answer {
    let (host, domain) = (uts::hostname(), uts::domainname());
    let mut fields = [[0; FIELD_BYTES]; FIELDS];
    let texts = [
        uts::OSTYPE.as_bytes(),
        &host,
        uts::OSRELEASE.as_bytes(),
        uts::VERSION.as_bytes(),
        uts::MACHINE.as_bytes(),
        &domain,
    ];
    for (field, text) in fields.iter_mut().zip(texts) {
        field[..text.len()].copy_from_slice(text);
    }
    user::write(frame.a(0), &fields)?;
    Ok(0)
}

fn must_be_root() -> Result<(), Errno> {
    if current_process().credentials().is_root() { Ok(()) } else { Err(Errno::EPERM) }
}

/// Reads the new name of the host or its domain.
fn read_name(frame: &TrapFrame) -> Result<Vec<u8>, Errno> {
    must_be_root()?;
    let length = usize::try_from(frame.a(1) as i32).map_err(|_| Errno::EINVAL)?;
    if length > uts::HOSTNAME_MAX_BYTES {
        return Err(Errno::EINVAL);
    }
    let mut name = vec![0; length];
    user::UserBuffer::new(frame.a(0), length)?.get(&mut name)?;
    Ok(name)
}

fn sethostname(frame: &mut TrapFrame) -> Answer {
    uts::set_hostname(&read_name(frame)?)?;
    Ok(0)
}

fn setdomainname(frame: &mut TrapFrame) -> Answer {
    uts::set_domainname(&read_name(frame)?)?;
    Ok(0)
}

fn sysinfo(frame: &mut TrapFrame) -> Answer {
    let (free, total) =
        mm::memory(|memory| (memory.frames.free_frames(), memory.frames.total_frames()));
    let (processes, _) = table::counts();
    // struct sysinfo: uptime, loads (3), memory (6 words), processes, high memory, unit.
    let mut words = [0; 14];
    words[0] = clock::now().0 / guest::task::time::SECOND_NS;
    words[4] = total * PAGE_SIZE_BYTES;
    words[5] = free * PAGE_SIZE_BYTES;
    let (swap, swap_free) = mm::swap::pages();
    words[8] = swap * PAGE_SIZE_BYTES;
    words[9] = swap_free * PAGE_SIZE_BYTES;
    words[10] = processes as u64;
    words[13] = 1;
    user::write(frame.a(0), &words)?;
    Ok(0)
}

fn getrandom(frame: &mut TrapFrame) -> Answer {
    const FLAGS: u32 = linux::GRND_NONBLOCK | linux::GRND_RANDOM | linux::GRND_INSECURE;
    let mut buffer =
        user::UserBuffer::new(frame.a(0), user::MOVE_MAX_BYTES.min(frame.a(1) as usize))?;
    if frame.a(2) as u32 & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let wanted = buffer.remaining();
    let mut bytes = [0; 256];
    while buffer.remaining() > 0 {
        // What follows in the next page need not be there.
        let count = buffer.in_first_page().min(bytes.len());
        random::fill(&mut bytes[..count]);
        let done = wanted - buffer.remaining();
        match buffer.put(&bytes[..count]) {
            Ok(()) => {}
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => return Ok(done as u64),
        }
        if sched::interrupted() {
            break;
        }
    }
    Ok((wanted - buffer.remaining()) as u64)
}

fn prctl(frame: &mut TrapFrame) -> Answer {
    let thread = sched::current_thread();
    match frame.a(0) as u32 {
        options::PR_SET_NAME => {
            let mut name = [0; 16];
            let mut at = frame.a(1);
            // Byte by byte: what is behind its 0 need not be there.
            for byte in &mut name[..15] {
                *byte = user::read(at)?;
                if *byte == 0 {
                    break;
                }
                at = at.wrapping_add(1);
            }
            thread.set_name(Name::new(&name));
        }
        options::PR_GET_NAME => user::write(frame.a(1), &thread.name().0)?,
        options::PR_SET_PDEATHSIG => {
            let signal = match frame.a(1) {
                0 => 0,
                raw => number(raw).ok_or(Errno::EINVAL)?,
            };
            thread.process.set_parent_death_signal(signal);
        }
        options::PR_GET_PDEATHSIG => {
            user::write(frame.a(1), &u32::from(thread.process.parent_death_signal()))?;
        }
        // Nobody traces or dumps processes here, whatever this says.
        options::PR_GET_DUMPABLE => return Ok(1),
        options::PR_SET_DUMPABLE if frame.a(1) <= 1 => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn reboot(frame: &mut TrapFrame) -> Answer {
    let [magic, magic2, command] = [0, 1, 2].map(|index| frame.a(index) as u32);
    must_be_root()?;
    let second = [
        linux::LINUX_REBOOT_MAGIC2,
        linux::LINUX_REBOOT_MAGIC2A,
        linux::LINUX_REBOOT_MAGIC2B,
        linux::LINUX_REBOOT_MAGIC2C,
    ];
    if magic != linux::LINUX_REBOOT_MAGIC1 || !second.contains(&magic2) {
        return Err(Errno::EINVAL);
    }
    match command {
        linux::LINUX_REBOOT_CMD_POWER_OFF | linux::LINUX_REBOOT_CMD_HALT => {
            ext2::shut_down();
            finisher::power_off(0)
        }
        linux::LINUX_REBOOT_CMD_RESTART | linux::LINUX_REBOOT_CMD_RESTART2 => {
            ext2::shut_down();
            finisher::restart()
        }
        // Ctrl-Alt-Del is no key here.
        linux::LINUX_REBOOT_CMD_CAD_ON | linux::LINUX_REBOOT_CMD_CAD_OFF => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn umask(frame: &mut TrapFrame) -> Answer {
    let fs = current_process().fs();
    let old = fs.lock().set_umask(frame.a(0) as u16 & 0o777);
    Ok(u64::from(old))
}

/// There is one personality only, which can be asked for.
fn personality(frame: &mut TrapFrame) -> Answer {
    match frame.a(0) as u32 {
        0 | u32::MAX => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn membarrier(frame: &mut TrapFrame) -> Answer {
    const GLOBAL: u64 = 1;
    const PRIVATE: u64 = 1 << 3;
    const REGISTER_PRIVATE: u64 = 1 << 4;
    if frame.a(1) != 0 {
        return Err(Errno::EINVAL);
    }
    match frame.a(0) {
        0 => Ok(GLOBAL | PRIVATE | REGISTER_PRIVATE),
        REGISTER_PRIVATE => Ok(0),
        GLOBAL | PRIVATE => {
            // Every hart takes an interrupt for this, which orders its memory accesses.
            tlb::sync_code();
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Number of the line up to which the log was cleared, or read by `SYSLOG_ACTION_READ`.
static CLEARED: AtomicU64 = AtomicU64::new(0);
static READ: AtomicU64 = AtomicU64::new(0);
/// The console's level before it was switched off.
const CONSOLE_LEVEL_ON: u8 = 7;

fn syslog(frame: &mut TrapFrame) -> Answer {
    must_be_root()?;
    let (at, length) = (frame.a(1), frame.a(2) as usize);
    match frame.a(0) {
        // Opening and closing.
        0 | 1 => Ok(0),
        2 => {
            let from = READ.load(Ordering::Relaxed);
            let has_line = || (debug::log_bounds().1 > from).then_some(());
            debug::log_readers().wait_interruptible(None, has_line).map_err(|_| Errno::EINTR)?;
            let (bytes, next) = copy_log(from, at, length)?;
            READ.store(next, Ordering::Relaxed);
            Ok(bytes)
        }
        action @ (3 | 4) => {
            let (bytes, next) = copy_log(last_lines(length), at, length)?;
            if action == 4 {
                CLEARED.store(next, Ordering::Relaxed);
            }
            Ok(bytes)
        }
        5 => {
            CLEARED.store(debug::log_bounds().1, Ordering::Relaxed);
            Ok(0)
        }
        6 => {
            debug::set_console_level(1);
            Ok(0)
        }
        7 => {
            debug::set_console_level(CONSOLE_LEVEL_ON);
            Ok(0)
        }
        8 if (1..=8).contains(&length) => {
            debug::set_console_level(length as u8);
            Ok(0)
        }
        9 => Ok(log_bytes(READ.load(Ordering::Relaxed))),
        10 => Ok(log_bytes(0)),
        _ => Err(Errno::EINVAL),
    }
}

/// A line of the log as `syslog` shows it.
fn show_line(record: &Record, line: &Line, out: &mut Vec<u8>) {
    let micros = record.ns / 1000;
    let (level, seconds, rest) = (record.level, micros / 1_000_000, micros % 1_000_000);
    out.clear();
    out.extend_from_slice(format!("<{level}>[{seconds:5}.{rest:06}] ").as_bytes());
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}

/// Calls `visit` with the number and the text of each line from `from` on, until it says no.
fn each_line(
    from: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Result<bool, Errno>,
) -> Result<(), Errno> {
    let (mut line, mut text) = (Line::new(), Vec::new());
    let mut next = from;
    while let Some(record) = debug::read_log(next, &mut line) {
        show_line(&record, &line, &mut text);
        if !visit(record.sequence, &text)? {
            break;
        }
        next = record.sequence + 1;
    }
    Ok(())
}

fn log_bytes(from: u64) -> u64 {
    let mut bytes = 0;
    // Nothing in there fails.
    let _ = each_line(from, |_, text| {
        bytes += text.len() as u64;
        Ok(true)
    });
    bytes
}

/// The first of the last lines that fit into `length` bytes.
fn last_lines(length: usize) -> u64 {
    let mut from = CLEARED.load(Ordering::Relaxed);
    while log_bytes(from) > length as u64 {
        from = from.max(debug::log_bounds().0) + 1;
    }
    from
}

/// Copies lines from `from` on, as many as fit: bytes, and the number of the next line.
fn copy_log(from: u64, at: u64, length: usize) -> Result<(u64, u64), Errno> {
    let mut buffer = user::UserBuffer::new(at, length)?;
    let mut next = from;
    each_line(from, |sequence, text| {
        let fits = text.len() <= buffer.remaining();
        if fits {
            buffer.put(text)?;
            next = sequence + 1;
        }
        Ok(fits)
    })?;
    Ok(((length - buffer.remaining()) as u64, next))
}

/// `struct __user_cap_header_struct`: the version with two words for each set.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// The process in the header at `at`; `None` for a version that is not known, and then the header
/// says which is.
fn capability_header(at: u64) -> Result<Option<u32>, Errno> {
    let version: u32 = user::read(at)?;
    if version == CAPABILITY_VERSION_3 {
        let [_, pid]: [u32; 2] = user::read(at)?;
        return Ok(Some(pid));
    }
    user::write(at, &CAPABILITY_VERSION_3)?;
    Ok(None)
}

/// The superuser has all capabilities, others none.
fn capget(frame: &mut TrapFrame) -> Answer {
    let process = match capability_header(frame.a(0))? {
        None if frame.a(1) == 0 => return Ok(0),
        None => return Err(Errno::EINVAL),
        Some(0) => current_process().clone(),
        Some(pid) => task::process(pid).ok_or(Errno::ESRCH)?,
    };
    if frame.a(1) != 0 {
        let word = if process.credentials().is_root() { u32::MAX } else { 0 };
        // Effective, permitted, inheritable; then the same for capabilities from 32 on.
        user::write(frame.a(1), &[word, word, 0, word, word, 0])?;
    }
    Ok(0)
}

/// Capabilities are not given up one by one, and nobody can change those of others.
fn capset(frame: &mut TrapFrame) -> Answer {
    let pid = capability_header(frame.a(0))?.ok_or(Errno::EINVAL)?;
    if pid != 0 && pid != current_process().pid {
        return Err(Errno::EPERM);
    }
    let _wanted: [u32; 6] = user::read(frame.a(1))?;
    must_be_root()?;
    Ok(0)
}
