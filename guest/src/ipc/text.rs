//! Lines of `/proc/sysvipc` and of files in `/dev/mqueue`, as Linux writes them.
//!
//! Source: Linux, `ipc/{msg,sem,shm,mqueue}.c`, which `proc_sysvipc(5)` describes.

use core::fmt;

use super::ids::Permissions;
use super::layout::{MessagesStatus, SegmentStatus, SemaphoresStatus};
use super::mqueue::Registered;

/// First line of `msg`.
pub const MESSAGES_HEAD: &str = "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n";
/// First line of `sem`.
pub const SEMAPHORES_HEAD: &str =
    "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";
/// First line of `shm`.
pub const SEGMENTS_HEAD: &str = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n";

/// Key, identifier and mode.
fn head(id: i32, of: &Permissions) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "{:10} {id:10}  {:4o}", of.key, of.mode))
}

/// Owner and maker.
fn owners(of: &Permissions) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let Permissions { uid, gid, creator_uid, creator_gid, .. } = of;
        write!(f, "{uid:5} {gid:5} {creator_uid:5} {creator_gid:5}")
    })
}

/// A line of `msg`.
pub fn messages(id: i32, of: &Permissions, status: &MessagesStatus) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let MessagesStatus { bytes, count, sender, receiver, sent, received, changed, .. } = status;
        write!(f, "{} {bytes:10} {count:10} {sender:5} {receiver:5} ", head(id, of))?;
        writeln!(f, "{} {sent:10} {received:10} {changed:10}", owners(of))
    })
}

/// A line of `sem`.
pub fn semaphores(id: i32, of: &Permissions, status: &SemaphoresStatus) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let SemaphoresStatus { operated, changed, count } = status;
        writeln!(f, "{} {count:10} {} {operated:10} {changed:10}", head(id, of), owners(of))
    })
}

/// A line of `shm`; with the bytes in RAM and in swap.
pub fn segment(
    id: i32,
    of: &Permissions,
    status: &SegmentStatus,
    [resident, swapped]: [u64; 2],
) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let SegmentStatus { size_bytes, creator, user, areas, .. } = status;
        let SegmentStatus { attached, detached, changed, .. } = status;
        write!(f, "{} {size_bytes:21} {creator:5} {user:5}  {areas:5} ", head(id, of))?;
        write!(f, "{} {attached:10} {detached:10} {changed:10}", owners(of))?;
        writeln!(f, " {resident:21} {swapped:21}")
    })
}

/// What a file in `/dev/mqueue` says: bytes in the queue, and who is told of the next message.
pub fn queue(bytes: u64, registered: Option<&Registered>) -> impl fmt::Display {
    let (how, signal, pid) = registered.map_or((0, 0, 0), Registered::shown);
    fmt::from_fn(move |f| {
        writeln!(f, "QSIZE:{bytes:<10} NOTIFY:{how:<5} SIGNO:{signal:<5} NOTIFY_PID:{pid:<6}")
    })
}

#[cfg(test)]
mod tests {
    use super::super::mqueue::How;
    use super::*;
    use crate::fs::Identity;

    /// Lines of Linux, for what `ipcmk` has made there.
    #[test]
    fn lines_are_linuxs() {
        let permissions = Permissions::new(0x1234, 0o644, &Identity::ROOT);
        let status = MessagesStatus { changed: 1_700_000_000, ..Default::default() };
        let line = messages(3, &permissions, &status).to_string();
        let expect = "      4660          3   644          0          0     0     0     0     0     0     0          0          0 1700000000\n";
        assert_eq!(line, expect);
        let status = SemaphoresStatus { operated: 0, changed: 1_700_000_000, count: 3 };
        let expect = "      4660          3   644          3     0     0     0     0          0 1700000000\n";
        assert_eq!(semaphores(3, &permissions, &status).to_string(), expect);
        let status = SegmentStatus {
            size_bytes: 4096,
            changed: 1_700_000_000,
            creator: 77,
            ..Default::default()
        };
        let line = segment(3, &permissions, &status, [4096, 0]).to_string();
        let expect = "      4660          3   644                  4096    77     0      0     0     0     0     0          0          0 1700000000                  4096                     0\n";
        assert_eq!(line, expect);
        for (head, line) in [(MESSAGES_HEAD, 118), (SEMAPHORES_HEAD, 81), (SEGMENTS_HEAD, 167)] {
            assert!(head.len() >= line && head.ends_with('\n'), "{head}");
        }
    }

    #[test]
    fn a_queue_says_whom_it_tells() {
        let expect = "QSIZE:129        NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n";
        assert_eq!(queue(129, None).to_string(), expect);
        let registered = Registered { pid: 8260, how: How::Signal { number: 10, value: 3 } };
        let expect = "QSIZE:0          NOTIFY:0     SIGNO:10    NOTIFY_PID:8260  \n";
        assert_eq!(queue(0, Some(&registered)).to_string(), expect);
        let registered = Registered { pid: 9, how: How::Silently };
        let expect = "QSIZE:0          NOTIFY:1     SIGNO:0     NOTIFY_PID:9     \n";
        assert_eq!(queue(0, Some(&registered)).to_string(), expect);
    }
}
