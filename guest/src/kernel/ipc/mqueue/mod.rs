//! POSIX message queues: files of a file system of their own, which is mounted on /dev/mqueue.
//! `directory.rs` is that file system, `queue.rs` a queue with the threads that wait; here they are
//! opened, and processes are told of messages.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};

use guest::errno::Errno;
use guest::fs::access::Wish;
use guest::ipc::layout::QueueAttributes;
use guest::ipc::mqueue::{Charges, How, LIMIT_BYTES_MAX, LIMIT_MAX, Registered, Size};
use guest::task::signal::SigInfo;
use linux_raw_sys::general as linux;

use super::limits;
use crate::fs::inode::{Flags, Inode};
use crate::fs::names::actor;
use crate::fs::{self, OpenFile, Place};
use crate::sync::SpinLock;
use crate::task::{self, Pid, Process, current_process};

mod directory;
mod queue;

pub(crate) use directory::system;
pub(crate) use queue::QueueFile;

/// Where queues are files.
const MOUNT_POINT: &[u8] = b"/dev/mqueue";
/// Longest name.
pub(crate) const NAME_MAX_BYTES: usize = 255;

/// What users have.
static CHARGES: SpinLock<Charges> = SpinLock::new(Charges::new());

/// Mounts the queues on /dev/mqueue.
///
/// # Errors
/// No memory for that.
pub(crate) fn init() -> Result<(), Errno> {
    fs::mount_at(MOUNT_POINT, system(), b"mqueue")
}

/// The size of a new queue.
///
/// # Errors
/// EINVAL.
fn size(wanted: Option<QueueAttributes>) -> Result<Size, Errno> {
    let most =
        Size { messages: limits::MQUEUE_MESSAGES.get(), message_bytes: limits::MQUEUE_BYTES.get() };
    let is_root = current_process().credentials().is_root();
    match wanted {
        Some(wanted) if is_root => {
            let most = Size { messages: LIMIT_MAX, message_bytes: LIMIT_BYTES_MAX };
            Size::wanted(&wanted, most)
        }
        Some(wanted) => Size::wanted(&wanted, most),
        None => Ok(Size {
            messages: limits::MQUEUE_MESSAGES_DEFAULT.get().min(most.messages),
            message_bytes: limits::MQUEUE_BYTES_DEFAULT.get().min(most.message_bytes),
        }),
    }
}

/// `mq_open`: the queue with this name, made if `flags` say so, with permissions `mode`.
///
/// # Errors
/// EACCES, EEXIST, EINVAL, EMFILE (too many bytes in queues), ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC.
pub(crate) fn open(
    name: &[u8],
    flags: Flags,
    mode: u16,
    wanted: Option<QueueAttributes>,
) -> Result<Arc<OpenFile>, Errno> {
    check_name(name)?;
    let (root, actor) = (system().root_directory(), actor());
    let queue = loop {
        match root.find(name) {
            Ok(_) if flags.has(linux::O_CREAT | linux::O_EXCL) => return Err(Errno::EEXIST),
            Ok(queue) => {
                if flags.0 & linux::O_ACCMODE == linux::O_ACCMODE {
                    return Err(Errno::EINVAL);
                }
                let mut wish = if flags.reads() { Wish::READ } else { Wish::NONE };
                if flags.writes() {
                    wish = wish | Wish::WRITE;
                }
                guest::fs::access::check(&queue.attributes(), &actor.who, wish)?;
                break queue;
            }
            Err(_) if !flags.has(linux::O_CREAT) => return Err(Errno::ENOENT),
            Err(_) => match root.make(name, mode, size(wanted), &actor) {
                // Somebody else was faster.
                Err(Errno::EEXIST) => {}
                made => break made?,
            },
        }
    };
    Ok(OpenFile::new(Place::nameless(queue.clone()), queue, flags))
}

/// `mq_unlink`.
///
/// # Errors
/// EACCES, ENAMETOOLONG, ENOENT, EPERM.
pub(crate) fn unlink(name: &[u8]) -> Result<(), Errno> {
    check_name(name)?;
    system().root_directory().unlink(name, &actor())
}

/// Names are those of files, without directories.
fn check_name(name: &[u8]) -> Result<(), Errno> {
    match name {
        b"" => Err(Errno::ENOENT),
        b"." | b".." => Err(Errno::EACCES),
        name if name.contains(&b'/') => Err(Errno::EACCES),
        name if name.len() > NAME_MAX_BYTES => Err(Errno::ENAMETOOLONG),
        _ => Ok(()),
    }
}

/// The queue that an open file is.
///
/// # Errors
/// EBADF.
#[inline]
pub(crate) fn queue_of(file: &OpenFile) -> Result<&QueueFile, Errno> {
    file.file()?.as_any().and_then(<dyn Any>::downcast_ref).ok_or(Errno::EBADF)
}

/// Queues of which somebody wants to be told, for when they end; some of them were told meanwhile.
static REGISTERED: SpinLock<Vec<(Pid, Weak<QueueFile>)>> = SpinLock::new(Vec::new());
/// Whether there ever were any.
static IS_ANY_REGISTERED: AtomicBool = AtomicBool::new(false);

/// `mq_notify`: the process is told of the next message, or not any longer.
///
/// # Errors
/// EBUSY, ENOMEM.
pub(crate) fn notify(file: &OpenFile, how: Option<How>, process: &Process) -> Result<(), Errno> {
    let queue = file.inode().clone().as_any().downcast::<QueueFile>();
    let (queue, pid) = (queue.map_err(|_| Errno::EBADF)?, process.pid);
    let Some(how) = how else {
        queue.forget(pid);
        return Ok(());
    };
    IS_ANY_REGISTERED.store(true, Ordering::Relaxed);
    let mut known = REGISTERED.lock();
    known.retain(|(pid, queue)| queue.upgrade().is_some_and(|queue| queue.tells(*pid)));
    known.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    queue.register(Registered { pid, how })?;
    known.push((pid, Arc::downgrade(&queue)));
    Ok(())
}

/// A process ends, or executes another program: nobody tells it anything.
pub(crate) fn forget_process(pid: Pid) {
    if !IS_ANY_REGISTERED.load(Ordering::Relaxed) {
        return;
    }
    let mut mine = Vec::new();
    {
        let mut known = REGISTERED.lock();
        known.retain(|(other, queue)| {
            let is_mine = *other == pid;
            if is_mine {
                mine.extend(queue.upgrade());
            }
            !is_mine
        });
    }
    mine.iter().for_each(|queue| queue.forget(pid));
}

/// Tells a process that a queue has a message, which the current one has sent.
fn tell(registered: Registered) {
    let How::Signal { number, value } = registered.how else { return };
    if number == 0 {
        return;
    }
    let sender = current_process();
    if let Some(process) = task::process(registered.pid) {
        let info = SigInfo::of_message(number, sender.pid, sender.credentials().uid, value);
        // Where there is no room for it, there is none for the value.
        let _ = task::signal::post(&process, info);
    }
}
