//! [`OnDisk`]: files whose content lies in blocks of a disk: where (`FIBMAP`, `FIEMAP`), and how
//! such a file is used for swapping ([`SwapFile`]).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use guest::PAGE_SIZE_BYTES;
use guest::errno::{Answer, Errno};

use super::OpenFile;
use super::inode::Inode;
use super::names::who;
use crate::block::{Disk, Done, Operation, Place, SECTOR_BYTES, Transfer};
use crate::mm::user;
use crate::sync::WaitQueue;

/// A file whose content lies in blocks of a disk.
pub(crate) trait OnDisk {
    /// Which.
    fn disk(&self) -> Arc<dyn Disk>;
    /// Bytes of a block.
    fn block_bytes(&self) -> u64;
    /// Where a block of the file is, and how many behind it, `limit` at most, are next to it; or
    /// are holes, too.
    fn find(&self, block: u64, limit: u32) -> Result<(Option<u32>, u32), Errno>;
    /// Writes there what was changed.
    fn save(&self) -> Result<(), Errno>;
}

/// ioctl: which block of the disk a block of the file is.
pub(crate) const FIBMAP: u32 = 1;
/// ioctl: bytes of a block.
pub(crate) const FIGETBSZ: u32 = 2;
/// ioctl: all extents of a file.
pub(crate) const FIEMAP: u32 = 0xc020_660b;
/// Bytes of `struct fiemap` without extents.
const FIEMAP_BYTES: u64 = 32;

/// `FIBMAP`: the number at `at` is replaced; 0 for a hole.
pub(crate) fn block_of(inode: &dyn Inode, at: u64) -> Answer {
    if !who().is_root() {
        return Err(Errno::EPERM);
    }
    let block: i32 = user::read(at)?;
    let block = u64::try_from(block).map_err(|_| Errno::EINVAL)?;
    let Some(file) = inode.on_disk() else {
        user::write(at, &0u32)?;
        return Err(Errno::EINVAL);
    };
    file.save()?;
    let end = inode.stat().size_bytes.div_ceil(file.block_bytes());
    let place = if block < end { file.find(block, 1)?.0 } else { None };
    user::write(at, &place.unwrap_or(0))?;
    Ok(0)
}

/// `struct fiemap_extent`.
type Extent = [u64; 7];

/// `FIEMAP`.
pub(crate) fn extents(inode: &dyn Inode, at: u64) -> Answer {
    let file = inode.on_disk().ok_or(Errno::EOPNOTSUPP)?;
    let [start, length, flags, room]: [u64; 4] = user::read(at)?;
    let (flags, room) = (flags as u32, u64::from(room as u32));
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    if flags & !linux_raw_sys::ioctl::FIEMAP_FLAG_SYNC != 0 {
        let unknown = flags & !linux_raw_sys::ioctl::FIEMAP_FLAG_SYNC;
        user::write(at + 16, &unknown)?;
        return Err(Errno::EBADR);
    }
    file.save()?;
    let bytes = file.block_bytes();
    let size = inode.stat().size_bytes;
    let end = start.saturating_add(length).min(size).div_ceil(bytes);
    let mut block = start / bytes;
    let (mut found, mut last): (u64, Option<Extent>) = (0, None);
    let put = |extent: Extent, number: u64| match number < room {
        true => user::write(at + FIEMAP_BYTES + number * size_of::<Extent>() as u64, &extent),
        false => Ok(()),
    };
    while block < end && (room == 0 || found <= room) {
        let limit = (end - block).min(u32::MAX.into()) as u32;
        let (place, count) = file.find(block, limit)?;
        if let Some(place) = place {
            let (logical, physical) = (block * bytes, u64::from(place) * bytes);
            let more = u64::from(count) * bytes;
            match &mut last {
                Some([from, to, length, ..])
                    if *from + *length == logical && *to + *length == physical =>
                {
                    *length += more;
                }
                _ => {
                    if let Some(last) = last {
                        put(last, found - 1)?;
                    }
                    let merged = u64::from(linux_raw_sys::ioctl::FIEMAP_EXTENT_MERGED);
                    last = Some([logical, physical, more, 0, 0, merged, 0]);
                    found += 1;
                }
            }
        }
        block += u64::from(count);
    }
    if let Some(mut last) = last {
        if end * bytes >= size {
            last[5] |= u64::from(linux_raw_sys::ioctl::FIEMAP_EXTENT_LAST);
        }
        put(last, found - 1)?;
    }
    let mapped = if room == 0 { found } else { found.min(room) };
    user::write(at + 20, &(mapped as u32))?;
    Ok(0)
}

/// Bit of a number that no device has.
const FILE_NUMBER: u64 = 1 << 63;

/// What a file is known by as a swap area.
pub(crate) fn swap_number(inode: &dyn Inode) -> u64 {
    FILE_NUMBER | (inode.device() << 32) ^ inode.number()
}

/// A file that is used for swapping: nobody writes it meanwhile. It is a stretch of its disk; which
/// pages of that are its own is told by [`Disk::places`].
pub(crate) struct SwapFile {
    file: Arc<OpenFile>,
    disk: Arc<dyn Disk>,
    /// Where the header is.
    header_sector: u64,
    /// Where the stretch begins, a page before the first of its own.
    first_sector: u64,
    places: Vec<Place>,
}

const SECTORS_OF_PAGE: u64 = PAGE_SIZE_BYTES / SECTOR_BYTES;

impl SwapFile {
    /// Uses one.
    ///
    /// # Errors
    /// EINVAL where it lies on no disk, has holes, or no page in one piece; ETXTBSY; ENOMEM; the
    /// disk's.
    pub(crate) fn new(file: Arc<OpenFile>) -> Result<Arc<Self>, Errno> {
        let on_disk = file.inode().on_disk().ok_or(Errno::EINVAL)?;
        file.run()?;
        on_disk.save()?;
        let bytes = on_disk.block_bytes();
        let end = file.size() / bytes;
        let behind_header = PAGE_SIZE_BYTES.div_ceil(bytes);
        let (header, count) = on_disk.find(0, behind_header as u32)?;
        let header = header.filter(|_| u64::from(count) >= behind_header && end > behind_header);
        let header_sector = u64::from(header.ok_or(Errno::EINVAL)?) * bytes / SECTOR_BYTES;
        let mut pages = whole_pages(on_disk, behind_header..end)?;
        let first = pages.iter().min().copied().filter(|first| *first > 0).ok_or(Errno::EINVAL)?;
        pages.iter_mut().for_each(|page| *page -= first - 1);
        pages.insert(0, 0);
        let first_sector = u64::from(first - 1) * SECTORS_OF_PAGE;
        let disk = on_disk.disk();
        Ok(Arc::new(Self { file, disk, header_sector, first_sector, places: pages }))
    }
}

/// The pages of the disk that these blocks of a file are, as far as they are whole.
fn whole_pages(file: &dyn OnDisk, blocks: Range<u64>) -> Result<Vec<Place>, Errno> {
    let bytes = file.block_bytes();
    let mut pages: Vec<Place> = Vec::new();
    // With room for one to be put before the others.
    let most = (blocks.end - blocks.start) * bytes / PAGE_SIZE_BYTES + 1;
    pages.try_reserve_exact(most as usize).map_err(|_| Errno::ENOMEM)?;
    let mut piece = 0..0;
    let mut take = |piece: &Range<u64>| {
        let whole = piece.start.div_ceil(PAGE_SIZE_BYTES)..piece.end / PAGE_SIZE_BYTES;
        pages.extend(whole.map(|page| page as Place));
    };
    let mut block = blocks.start;
    while block < blocks.end {
        let limit = (blocks.end - block).min(u32::MAX.into()) as u32;
        let (place, count) = file.find(block, limit)?;
        let start = u64::from(place.ok_or(Errno::EINVAL)?) * bytes;
        if start != piece.end {
            take(&piece);
            piece.start = start;
        }
        piece.end = start + u64::from(count) * bytes;
        block += u64::from(count);
    }
    take(&piece);
    Ok(pages)
}

impl Disk for SwapFile {
    fn name(&self) -> &'static str {
        self.disk.name()
    }
    fn path(&self) -> Option<Vec<u8>> {
        Some(self.file.path())
    }
    fn places(&self) -> Option<&[Place]> {
        Some(&self.places)
    }
    fn number(&self) -> u64 {
        swap_number(&**self.file.inode())
    }
    fn sectors(&self) -> u64 {
        self.disk.sectors() - self.first_sector
    }
    fn is_read_only(&self) -> bool {
        self.disk.is_read_only()
    }
    fn begin(&self, transfer: Transfer<'_>, done: Done) -> Result<(), crate::block::Busy> {
        let sector = match transfer.operation {
            Operation::Flush => transfer.sector,
            _ if transfer.sector < SECTORS_OF_PAGE => self.header_sector + transfer.sector,
            _ => self.first_sector + transfer.sector,
        };
        self.disk.begin(Transfer { sector, ..transfer }, done)
    }
    fn room(&self) -> &WaitQueue {
        self.disk.room()
    }
}
