//! What `/proc/PID/fd` and `fdinfo` tell of an open file, and the lines that `lsfd` makes of it.

use alloc::format;
use alloc::string::String;

use linux_raw_sys::general as g;

use crate::bytes::{self, Bytes};

/// What `fdinfo` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Where the next byte is read or written.
    pub position: u64,
    /// `O_x`.
    pub flags: u32,
    /// Number of the mount that it was reached through.
    pub mount: u64,
}

impl Info {
    /// Reads it.
    pub fn parse(text: &[u8]) -> Self {
        let value = |name: &[u8], radix| {
            let mut lines = bytes::lines(text).map(bytes::fields);
            let field = lines.find_map(|mut fields| {
                (fields.next() == Some(name)).then(|| fields.next()).flatten()
            });
            field.and_then(|field| bytes::number(field, radix)).unwrap_or(0)
        };
        let flags = value(b"flags:", 8) as u32;
        Self { position: value(b"pos:", 10), flags, mount: value(b"mnt_id:", 10) }
    }

    /// What may be done with it: `r--`, `-w-`, `rw-`.
    pub fn mode(&self) -> &'static str {
        match self.flags & g::O_ACCMODE {
            _ if self.flags & g::O_PATH != 0 => "---",
            g::O_RDONLY => "r--",
            g::O_WRONLY => "-w-",
            _ => "rw-",
        }
    }
}

/// Kinds of files, by the mode of `stat`.
const KINDS: [(u32, &str); 7] = [
    (g::S_IFREG, "REG"),
    (g::S_IFDIR, "DIR"),
    (g::S_IFCHR, "CHR"),
    (g::S_IFBLK, "BLK"),
    (g::S_IFIFO, "FIFO"),
    (g::S_IFSOCK, "SOCK"),
    (g::S_IFLNK, "LINK"),
];

/// What kind of file has this mode.
pub fn kind(mode: u32) -> &'static str {
    let found = KINDS.iter().find(|(bits, _)| mode & g::S_IFMT == *bits);
    found.map_or("?", |(_, name)| name)
}

/// An open file of a process.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// Name of the process.
    pub command: &'a [u8],
    /// Its number.
    pub pid: u64,
    /// How it has the file: a descriptor, `cwd`, `rtd`, `exe`.
    pub how: &'a str,
    /// What it may do with it.
    pub mode: &'a str,
    /// What kind of file.
    pub kind: &'a str,
    /// Its number in its file system.
    pub inode: u64,
    /// Position in it.
    pub position: u64,
    /// Its path, or what else names it.
    pub name: &'a [u8],
}

/// Above the lines.
pub const HEAD: &str = "COMMAND             PID ASSOC MODE TYPE      INODE        POS NAME";

impl Open<'_> {
    /// The line about it.
    pub fn line(&self) -> String {
        let Self { command, pid, how, mode, kind, inode, position, name } = self;
        let command = format!("{}", Bytes(command));
        let name = Bytes(name);
        format!(
            "{command:<15} {pid:>7} {how:>5} {mode:>4} {kind:>4} {inode:>10} {position:>10} {name}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fdinfo_says() {
        for (flags, mode) in
            [("0100000", "r--"), ("0100001", "-w-"), ("02102002", "rw-"), ("010000000", "---")]
        {
            let text = format!("pos:\t17\nflags:\t{flags}\nmnt_id:\t3\nino:\t9\n");
            let info = Info::parse(text.as_bytes());
            assert_eq!((info.position, info.mount, info.mode()), (17, 3, mode), "{flags}");
        }
        assert_eq!(Info::parse(b""), Info::default());
    }

    #[test]
    fn lines_are_below_their_names() {
        assert_eq!([0o100644, 0o40755, 0o10600, 0].map(kind), ["REG", "DIR", "FIFO", "?"]);
        let open = Open {
            command: b"sh",
            pid: 12,
            how: "3",
            mode: "rw-",
            kind: "REG",
            inode: 9,
            position: 17,
            name: b"/tmp/x",
        };
        let line = open.line();
        assert_eq!(line, "sh                   12     3  rw-  REG          9         17 /tmp/x");
        assert_eq!(line.find("/tmp"), HEAD.find("NAME"));
    }
}
