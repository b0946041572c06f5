//! `/proc/sysvipc/*`: tables with a line of names, and a line for each queue, set of semaphores or
//! segment; and the lines that `ipcs` makes of them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes::{self, Bytes};

/// Such a table.
#[derive(Clone, Debug)]
pub struct Objects<'a> {
    names: Vec<&'a [u8]>,
    rows: Vec<Vec<&'a [u8]>>,
}

/// A row of it.
#[derive(Clone, Copy, Debug)]
pub struct Object<'t> {
    names: &'t [&'t [u8]],
    fields: &'t [&'t [u8]],
}

impl<'a> Objects<'a> {
    /// Reads it.
    pub fn parse(text: &'a [u8]) -> Self {
        let mut lines = bytes::lines(text).map(|line| bytes::fields(line).collect::<Vec<_>>());
        Self { names: lines.next().unwrap_or_default(), rows: lines.collect() }
    }

    /// What is in it.
    pub fn iter(&self) -> impl Iterator<Item = Object<'_>> {
        self.rows.iter().map(|fields| Object { names: &self.names, fields })
    }
}

impl Object<'_> {
    /// The number in the column of this name; 0 where there is none.
    pub fn number(&self, name: &str) -> i64 {
        let at = self.names.iter().position(|own| *own == name.as_bytes());
        let field = at.and_then(|at| self.fields.get(at)).copied().unwrap_or_default();
        core::str::from_utf8(field).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The mode, which is in octal.
    pub fn mode(&self) -> u32 {
        let at = self.names.iter().position(|own| *own == b"perms");
        let field = at.and_then(|at| self.fields.get(at)).copied().unwrap_or_default();
        bytes::number(field, 8).unwrap_or(0) as u32
    }

    /// Key, identifier, owner, permissions, and what else `ipcs` tells of an object of this kind.
    fn line(&self, kind: &Kind) -> String {
        const PERMISSION_BITS: u32 = 0o777;
        let (key, id) = (self.number("key") as u32, self.number(kind.id));
        let (owner, mode) = (user(self.number("uid")), self.mode());
        let mut line = format!("{key:#010x} {id:<10} {owner:<10} {:<10o}", mode & PERMISSION_BITS);
        for (column, _, width) in kind.columns {
            line += &format!(" {:<width$}", self.number(column));
        }
        for (bit, word) in kind.marks {
            let word = if mode & bit != 0 { word } else { "" };
            line += &format!(" {word:<6}");
        }
        line
    }
}

/// How people call a user.
pub fn user(number: i64) -> String {
    if number == 0 { String::from("root") } else { format!("{number}") }
}

/// One of the three kinds.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its file in `/proc/sysvipc`.
    pub file: &'static str,
    /// Above its table.
    title: &'static str,
    /// Above its limits and sums.
    pub name: &'static str,
    /// The column of identifiers.
    pub id: &'static str,
    /// Columns of its own: their names in the file and for people, and their width.
    columns: &'static [(&'static str, &'static str, usize)],
    /// Bits of the mode, and what they are called.
    marks: &'static [(u32, &'static str)],
}

/// The three kinds.
pub const KINDS: [Kind; 3] = [
    Kind {
        file: "msg",
        title: "Message Queues",
        name: "Messages",
        id: "msqid",
        columns: &[("cbytes", "used-bytes", 12), ("qnum", "messages", 12)],
        marks: &[],
    },
    Kind {
        file: "shm",
        title: "Shared Memory Segments",
        name: "Shared Memory",
        id: "shmid",
        columns: &[("size", "bytes", 10), ("nattch", "nattch", 10)],
        marks: &[(0o1000, "dest"), (0o2000, "locked")],
    },
    Kind {
        file: "sem",
        title: "Semaphore Arrays",
        name: "Semaphore",
        id: "semid",
        columns: &[("nsems", "nsems", 10)],
        marks: &[],
    },
];

impl Kind {
    /// The table of `ipcs`, for the text of the file.
    pub fn table(&self, text: &[u8]) -> String {
        let mut head = format!("{:<10} {:<10} {:<10} {:<10}", "key", self.id, "owner", "perms");
        for (_, name, width) in self.columns {
            head += &format!(" {name:<width$}");
        }
        if !self.marks.is_empty() {
            head += " status";
        }
        let title = format!("------ {} --------", self.title);
        let objects = Objects::parse(text);
        let lines = objects.iter().map(|object| object.line(self));
        let lines = [title, head].into_iter().chain(lines);
        lines.map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// What a file in `/dev/mqueue` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLine {
    /// Bytes in the queue.
    pub bytes: u64,
    /// The process that is told of the next message; 0: none.
    pub pid: u64,
}

impl QueueLine {
    /// Reads it.
    pub fn parse(text: &[u8]) -> Self {
        let value = |name: &[u8]| {
            let mut pairs = bytes::fields(text).filter_map(|field| bytes::split_once(field, b':'));
            pairs.find(|(own, _)| *own == name).and_then(|(_, value)| bytes::decimal(value))
        };
        let (bytes, pid) = (value(b"QSIZE"), value(b"NOTIFY_PID"));
        Self { bytes: bytes.unwrap_or(0), pid: pid.unwrap_or(0) }
    }

    /// The line of `ipcs -Q` about the queue of this name, owner and mode.
    pub fn line(&self, name: &[u8], owner: i64, mode: u32) -> String {
        let notify = if self.pid == 0 { String::from("-") } else { format!("{}", self.pid) };
        let name = format!("/{}", Bytes(name));
        format!("{name:<21} {:<10} {mode:<10o} {:<12} {notify}", user(owner), self.bytes)
    }
}

/// Above those lines.
pub const QUEUES_HEAD: &str = "------ POSIX Message Queues --------\nname                  owner      perms      used-bytes   notify\n";

#[cfg(test)]
mod tests {
    use super::*;

    const SHM: &[u8] = b"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n\
        -1641973834          2   644                  4096 24191     0      2     0     0     0     0          0          0 1795299439                     0                     0\n\
        \x20        0      32771  3600                  8192    12    13      0    77     0     0     0          0          0 1795299439                     0                     0\n";

    /// As util-linux shows it, but for the spaces at the ends of lines.
    #[test]
    fn tables_of_objects() {
        let table = KINDS[1].table(SHM);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "------ Shared Memory Segments --------",
                "key        shmid      owner      perms      bytes      nattch     status",
                "0x9e2177b6 2          root       644        4096       2",
                "0x00000000 32771      77         600        8192       0          dest   locked",
            ]
        );
        let nothing = KINDS[2].table(b"       key      semid perms      nsems\n");
        assert_eq!(nothing.lines().count(), 2);
    }

    #[test]
    fn lines_of_queues() {
        let line =
            QueueLine::parse(b"QSIZE:129        NOTIFY:0     SIGNO:10    NOTIFY_PID:8260  \n");
        assert_eq!(line, QueueLine { bytes: 129, pid: 8260 });
        let shown = line.line(b"q", 0, 0o600);
        assert_eq!(shown, "/q                    root       600        129          8260");
        assert_eq!(QueueLine::parse(b"?"), QueueLine::default());
        assert!(QUEUES_HEAD.lines().all(|line| line.len() <= 80));
    }
}
