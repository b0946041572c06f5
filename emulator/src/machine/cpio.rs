//! Writes archives in the format of an initial RAM disk: cpio, "newc". [`Archive`] takes files,
//! directories and links in the order in which they are to be unpacked. Its bytes depend on nothing
//! else: times are 0 and owners root.
//!
//! The build of the guest includes this file, too, so it uses nothing but the standard library.
//!
//! Source: Linux, "initramfs buffer format".

const MAGIC: &str = "070701";
/// Name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// Names and contents end at multiples of this.
const ALIGN_BYTES: usize = 4;

/// File types, in the bits of a mode that are not permissions.
const DIRECTORY: u32 = 0o04_0000;
const FILE: u32 = 0o10_0000;
const LINK: u32 = 0o12_0000;

/// An archive as it grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    /// Number of the last entry: its inode.
    entries: u32,
}

impl Archive {
    /// Adds a directory at `path`, which like all paths here starts at the root, without a slash.
    pub(crate) fn directory(&mut self, path: &[u8], permissions: u32) {
        self.entry(path, DIRECTORY | permissions, &[]);
    }

    /// Adds a file.
    ///
    /// # Panics
    /// Where it is longer than the format can say, that is 4 GiB.
    pub(crate) fn file(&mut self, path: &[u8], permissions: u32, content: &[u8]) {
        self.entry(path, FILE | permissions, content);
    }

    /// Adds a symbolic link to `target`.
    pub(crate) fn link(&mut self, path: &[u8], target: &[u8]) {
        self.entry(path, LINK | 0o777, target);
    }

    /// The whole archive. Another one may follow it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entries = 0;
        self.put(0, 0, TRAILER.as_bytes(), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &[u8], mode: u32, content: &[u8]) {
        debug_assert!(!path.starts_with(b"/") && !path.contains(&0), "{path:?}");
        self.entries += 1;
        self.put(self.entries, mode, path, content);
    }

    fn put(&mut self, inode: u32, mode: u32, name: &[u8], content: &[u8]) {
        let size = u32::try_from(content.len()).expect("files in an archive are below 4 GiB");
        let (owner, group, links, time, device) = (0, 0, 1, 0, [0; 4]);
        let checksum = 0;
        let head = [inode, mode, owner, group, links, time, size];
        let tail = [name.len() as u32 + 1, checksum];
        self.bytes.extend_from_slice(MAGIC.as_bytes());
        for number in head.into_iter().chain(device).chain(tail) {
            self.bytes.extend_from_slice(format!("{number:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN_BYTES), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_what_the_format_says() {
        let mut archive = Archive::default();
        archive.directory(b"etc", 0o755);
        archive.file(b"etc/motd", 0o644, b"hello");
        archive.link(b"motd", b"etc/motd");
        let entry = |inode, mode, size, name_size, rest: &str| {
            format!(
                "070701{inode:08x}{mode:08x}0000000000000000{:08x}00000000{size:08x}{}\
                 {name_size:08x}00000000{rest}",
                1,
                "0".repeat(32)
            )
        };
        let want = [
            entry(1, 0o040755, 0, 4, "etc\0\0\0"),
            entry(2, 0o100644, 5, 9, "etc/motd\0\0hello\0\0\0"),
            entry(3, 0o120777, 8, 5, "motd\0\0etc/motd"),
            entry(0, 0, 0, 11, "TRAILER!!!\0\0\0\0"),
        ];
        assert_eq!(String::from_utf8(archive.finish()).unwrap(), want.concat());
    }
}
