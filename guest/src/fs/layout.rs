//! How Linux lays out for user mode what it tells of files, on riscv64: [`Stat`], `statx`,
//! [`Statfs`], entries of directories, times. As bytes, so that nothing depends on the host.
//!
//! Source: Linux, `include/uapi/asm-generic/stat.h`, `include/uapi/linux/stat.h`,
//! `include/uapi/asm-generic/statfs.h`; the kernel's build compares with `linux-raw-sys`.

use super::{Attributes, Time};
use crate::errno::Errno;

/// Bytes of `struct stat`.
pub const STAT_BYTES: usize = 128;
/// Bytes of `struct statx`.
pub const STATX_BYTES: usize = 256;
/// Bytes of `struct statfs`.
pub const STATFS_BYTES: usize = 120;
/// Bytes of `struct timespec`.
pub const TIMESPEC_BYTES: usize = 16;
/// Bytes of `struct linux_dirent64` before the name.
pub const DIRENT_HEAD_BYTES: usize = 19;

/// Unit of `st_blocks`.
pub const STAT_BLOCK_BYTES: u64 = 512;
/// STATX_BASIC_STATS: every field that `stat` has.
const STATX_BASIC_STATS: u32 = 0x7ff;
/// UTIME_NOW and UTIME_OMIT of utimensat.
const UTIME_NOW: u64 = (1 << 30) - 1;
const UTIME_OMIT: u64 = (1 << 30) - 2;

#[cfg(target_arch = "riscv64")]
const _: () = {
    use core::mem::{offset_of, size_of};

    use linux_raw_sys::general as linux;
    assert!(size_of::<linux::stat>() == STAT_BYTES);
    assert!(offset_of!(linux::stat, st_size) == 48 && offset_of!(linux::stat, st_blocks) == 64);
    assert!(size_of::<linux::statx>() == STATX_BYTES);
    assert!(offset_of!(linux::statx, stx_atime) == 64);
    assert!(offset_of!(linux::statx, stx_dev_major) == 136);
    assert!(offset_of!(linux::linux_dirent64, d_name) == DIRENT_HEAD_BYTES);
    assert!(linux::STATX_BASIC_STATS == STATX_BASIC_STATS);
    assert!(linux::UTIME_NOW as u64 == UTIME_NOW && linux::UTIME_OMIT as u64 == UTIME_OMIT);
};

/// A device's number as user mode sees it: `makedev`.
pub const fn device_number(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    minor & 0xff | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

/// The major and minor number in a device's number.
pub const fn device_parts(number: u64) -> (u32, u32) {
    let major = number >> 8 & 0xfff | number >> 32 & !0xfff;
    let minor = number & 0xff | number >> 12 & !0xff;
    (major as u32, minor as u32)
}

/// Puts numbers into bytes, little-endian.
struct Bytes<const N: usize>([u8; N]);

impl<const N: usize> Bytes<N> {
    const fn new() -> Self {
        Self([0; N])
    }

    fn put<const M: usize>(&mut self, offset: usize, value: [u8; M]) {
        self.0[offset..offset + M].copy_from_slice(&value);
    }

    fn u64(&mut self, offset: usize, value: u64) {
        self.put(offset, value.to_le_bytes());
    }

    fn u32(&mut self, offset: usize, value: u32) {
        self.put(offset, value.to_le_bytes());
    }
}

/// Everything that `stat` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Number of the file system.
    pub device: u64,
    /// Number of the file in it.
    pub number: u64,
    /// Kind, permissions, owners, times.
    pub attributes: Attributes,
    /// Which device it is, if it is one.
    pub special: u64,
    /// Bytes of content.
    pub size_bytes: u64,
    /// Memory that the content takes, in units of [`STAT_BLOCK_BYTES`].
    pub blocks: u64,
    /// What is best read at once.
    pub block_bytes: u32,
}

impl Stat {
    /// As `struct stat`.
    pub fn to_stat(&self) -> [u8; STAT_BYTES] {
        let mut out = Bytes::<STAT_BYTES>::new();
        let attributes = &self.attributes;
        out.u64(0, self.device);
        out.u64(8, self.number);
        out.u32(16, attributes.mode());
        out.u32(20, attributes.links);
        out.u32(24, attributes.uid);
        out.u32(28, attributes.gid);
        out.u64(32, self.special);
        out.u64(48, self.size_bytes);
        out.u32(56, self.block_bytes);
        out.u64(64, self.blocks);
        let times = [attributes.accessed, attributes.modified, attributes.changed];
        for (index, time) in times.into_iter().enumerate() {
            out.put(72 + 16 * index, time_bytes(time));
        }
        out.0
    }

    /// As `struct statx`; all basic fields, whatever was asked for.
    pub fn to_statx(&self) -> [u8; STATX_BYTES] {
        let mut out = Bytes::<STATX_BYTES>::new();
        let attributes = &self.attributes;
        out.u32(0, STATX_BASIC_STATS);
        out.u32(4, self.block_bytes);
        out.u32(16, attributes.links);
        out.u32(20, attributes.uid);
        out.u32(24, attributes.gid);
        out.put(28, (attributes.mode() as u16).to_le_bytes());
        out.u64(32, self.number);
        out.u64(40, self.size_bytes);
        out.u64(48, self.blocks);
        // The time at 80 is that of birth, which nobody keeps.
        for (offset, time) in
            [(64, attributes.accessed), (96, attributes.changed), (112, attributes.modified)]
        {
            out.u64(offset, time.seconds as u64);
            out.u32(offset + 8, time.nanoseconds);
        }
        for (offset, number) in [(128, self.special), (136, self.device)] {
            let (major, minor) = device_parts(number);
            out.u32(offset, major);
            out.u32(offset + 4, minor);
        }
        out.0
    }
}

/// As `struct timespec`.
pub fn time_bytes(time: Time) -> [u8; TIMESPEC_BYTES] {
    let mut out = Bytes::<TIMESPEC_BYTES>::new();
    out.u64(0, time.seconds as u64);
    out.u64(8, u64::from(time.nanoseconds));
    out.0
}

fn timespec(bytes: [u8; TIMESPEC_BYTES]) -> (i64, u64) {
    let half = |at: usize| {
        let mut half = [0; 8];
        half.copy_from_slice(&bytes[at..at + 8]);
        half
    };
    (i64::from_le_bytes(half(0)), u64::from_le_bytes(half(8)))
}

/// A duration from a `struct timespec`, in nanoseconds; it saturates.
///
/// # Errors
/// EINVAL.
pub fn duration_ns(bytes: [u8; TIMESPEC_BYTES]) -> Result<u64, Errno> {
    let (seconds, nanoseconds) = timespec(bytes);
    let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
    if nanoseconds >= 1_000_000_000 {
        return Err(Errno::EINVAL);
    }
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
}

/// One of the times of utimensat.
///
/// # Errors
/// EINVAL.
pub fn stamp(bytes: [u8; TIMESPEC_BYTES]) -> Result<super::access::Stamp, Errno> {
    use super::access::Stamp;
    let (seconds, nanoseconds) = timespec(bytes);
    match nanoseconds {
        UTIME_NOW => Ok(Stamp::Now),
        UTIME_OMIT => Ok(Stamp::Keep),
        0..1_000_000_000 => Ok(Stamp::At(Time { seconds, nanoseconds: nanoseconds as u32 })),
        _ => Err(Errno::EINVAL),
    }
}

/// What `statfs` tells of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statfs {
    /// Which one: its magic number.
    pub magic: u64,
    /// Size of a block.
    pub block_bytes: u64,
    /// Blocks of content that there may be.
    pub blocks: u64,
    /// Blocks that are free.
    pub blocks_free: u64,
    /// Number of the file system.
    pub device: u64,
    /// ST_RDONLY and so on.
    pub flags: u64,
}

impl Statfs {
    /// ST_VALID: the flags are meant.
    const FLAGS_VALID: u64 = 0x20;

    /// As `struct statfs`.
    pub fn to_bytes(&self) -> [u8; STATFS_BYTES] {
        let mut out = Bytes::<STATFS_BYTES>::new();
        out.u64(0, self.magic);
        out.u64(8, self.block_bytes);
        out.u64(16, self.blocks);
        out.u64(24, self.blocks_free);
        out.u64(32, self.blocks_free);
        out.u64(56, self.device);
        out.u64(64, super::path::NAME_MAX_BYTES as u64);
        out.u64(72, self.block_bytes);
        out.u64(80, self.flags | Self::FLAGS_VALID);
        out.0
    }
}

/// Where an entry of a directory goes: bytes for `getdents64`.
#[derive(Debug)]
pub struct DirentWriter<'a> {
    out: &'a mut [u8],
    used: usize,
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub struct Dirent<'a> {
    /// Number of the file.
    pub number: u64,
    /// Position behind the entry.
    pub next: u64,
    /// DT_REG and so on.
    pub kind: u8,
    /// Its name.
    pub name: &'a [u8],
}

impl<'a> DirentWriter<'a> {
    /// Fills `out`.
    pub fn new(out: &'a mut [u8]) -> Self {
        Self { out, used: 0 }
    }

    /// Bytes filled.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Adds an entry; false where it does not fit.
    pub fn push(&mut self, entry: Dirent<'_>) -> bool {
        let length = (DIRENT_HEAD_BYTES + entry.name.len() + 1).next_multiple_of(8);
        let Some(record) = self.out.get_mut(self.used..self.used + length) else { return false };
        record.fill(0);
        record[..8].copy_from_slice(&entry.number.to_le_bytes());
        record[8..16].copy_from_slice(&entry.next.to_le_bytes());
        record[16..18].copy_from_slice(&(length as u16).to_le_bytes());
        record[18] = entry.kind;
        record[DIRENT_HEAD_BYTES..][..entry.name.len()].copy_from_slice(entry.name);
        self.used += length;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::Stamp;
    use super::super::{Identity, Kind};
    use super::*;

    fn word(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
    }

    #[test]
    fn devices_have_split_numbers() {
        for (major, minor, number) in
            [(5, 1, 0x501), (4, 64, 0x440), (0x1234, 0x5_6789, 0x1000_5672_3489)]
        {
            assert_eq!(device_number(major, minor), number);
            assert_eq!(device_parts(number), (major, minor));
        }
    }

    #[test]
    fn stat_and_statx_tell_the_same() {
        let time = |seconds| Time { seconds, nanoseconds: 5 };
        let owner = Identity::new(3, 4);
        let mut attributes = Attributes::new(Kind::Regular, 0o640, &owner, time(1));
        (attributes.links, attributes.modified, attributes.changed) = (2, time(-2), time(3));
        let stat = Stat {
            device: device_number(0, 21),
            number: 77,
            attributes,
            special: device_number(5, 1),
            size_bytes: 12345,
            blocks: 32,
            block_bytes: 4096,
        };
        let (old, new) = (stat.to_stat(), stat.to_statx());
        for (offset, value) in [
            (0, 21),
            (8, 77),
            (16, 2 << 32 | 0o100_640),
            (24, 4 << 32 | 3),
            (32, 0x501),
            (48, 12345),
            (56, 4096),
            (64, 32),
            (72, 1),
            (80, 5),
            (88, -2_i64 as u64),
            (104, 3),
            (112, 5),
            (120, 0),
        ] {
            assert_eq!(word(&old, offset), value, "stat at {offset}");
        }
        for (offset, value) in [
            (0, 4096 << 32 | 0x7ff),
            (16, 3 << 32 | 2),
            (24, 0o100_640 << 32 | 4),
            (32, 77),
            (40, 12345),
            (48, 32),
            (64, 1),
            (72, 5),
            (80, 0),
            (96, 3),
            (112, -2_i64 as u64),
            (128, 1 << 32 | 5),
            (136, 21 << 32),
        ] {
            assert_eq!(word(&new, offset), value, "statx at {offset}");
        }
    }

    #[test]
    fn entries_are_aligned_and_fit_or_are_left_out() {
        let mut space = [0xff; 60];
        let mut writer = DirentWriter::new(&mut space);
        let entry = |name| Dirent { number: 9, next: 0x1234, kind: 8, name };
        assert!(writer.push(entry(b"four")) && writer.push(entry(b"fives")));
        assert!(!writer.push(entry(b"x")), "24 and 32 of 60 bytes are used");
        assert_eq!(writer.used(), 56);
        assert_eq!((word(&space, 0), word(&space, 8)), (9, 0x1234));
        assert_eq!(space[16..24], *b"\x18\0\x08four\0");
        assert_eq!(space[40..56], *b"\x20\0\x08fives\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn times_are_checked() {
        let bytes = |seconds: i64, ns: u64| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&seconds.to_le_bytes());
            bytes[8..].copy_from_slice(&ns.to_le_bytes());
            bytes
        };
        for (seconds, ns, duration, stamped) in [
            (1, 5, Ok(1_000_000_005), Ok(Stamp::At(Time { seconds: 1, nanoseconds: 5 }))),
            (-1, 0, Err(Errno::EINVAL), Ok(Stamp::At(Time { seconds: -1, nanoseconds: 0 }))),
            (0, UTIME_NOW, Err(Errno::EINVAL), Ok(Stamp::Now)),
            (0, UTIME_OMIT, Err(Errno::EINVAL), Ok(Stamp::Keep)),
            (0, 1_000_000_000, Err(Errno::EINVAL), Err(Errno::EINVAL)),
            (i64::MAX, 0, Ok(u64::MAX), Ok(Stamp::At(Time { seconds: i64::MAX, nanoseconds: 0 }))),
        ] {
            assert_eq!(duration_ns(bytes(seconds, ns)), duration);
            assert_eq!(stamp(bytes(seconds, ns)), stamped);
        }
    }
}
