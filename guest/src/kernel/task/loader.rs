//! Programs in memory: [`load`] makes an address space with the mappings that an ELF file asks for,
//! and those of its interpreter, which runs first. `exec.rs` adds the rest. What is mapped of files
//! are the pages of those files, of which all processes see the same.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::mm::space::{Place, Request};
use guest::mm::vma::Purpose;
use guest::mm::{Backing, PageRange, Prot, Sharing, Vpn};
use guest::task::elf::{self, ElfError, HEADER_BYTES, Header, Image, Parts, Segment};
use guest::task::layout::{Layout, Randomize};

use super::random;
use crate::debug::{self, Level};
use crate::fs::{self, OpenFile};
use crate::mm::{AddressSpace, Object, tunables};

/// A program that is mapped.
pub(super) struct Loaded {
    pub(super) space: Arc<AddressSpace>,
    pub(super) image: Image,
    pub(super) layout: Layout,
    /// Where to begin: in the interpreter, if there is one.
    pub(super) entry: u64,
    /// What the interpreter was moved by; 0 without one.
    pub(super) interpreter_bias: u64,
}

/// Fills `to` from a file; how much of it there is.
///
/// # Errors
/// EINVAL where no file has such an offset; those of reading.
pub(super) fn read_up_to(file: &OpenFile, offset: u64, to: &mut [u8]) -> Result<usize, Errno> {
    let end = offset.checked_add(to.len() as u64);
    if end.is_none_or(|end| end > i64::MAX as u64) {
        return Err(Errno::EINVAL);
    }
    let mut done = 0;
    while done < to.len() {
        match file.read_at(offset + done as u64, &mut to[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

/// Why a file was not taken.
#[derive(Debug)]
enum Refusal {
    File(ElfError),
    Interpreter(ElfError),
    Other(Errno),
}

impl Refusal {
    /// The same of the interpreter.
    fn of_interpreter(self) -> Self {
        match self {
            Self::File(error) => Self::Interpreter(error),
            other => other,
        }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Other(errno)
    }
}

impl From<ElfError> for Refusal {
    fn from(error: ElfError) -> Self {
        Self::File(error)
    }
}

/// Logs why a file that looks like a program is none; what `execve` answers.
fn refuse(path: &[u8], refusal: Refusal) -> Errno {
    let (what, error, errno) = match refusal {
        Refusal::Other(errno) => return errno,
        Refusal::File(ElfError::NotElf) => return ElfError::NotElf.errno(),
        Refusal::File(error) => ("", error, error.errno()),
        Refusal::Interpreter(error) => ("its interpreter: ", error, error.errno_of_interpreter()),
    };
    let (path, reason) = (path.escape_ascii(), error.reason());
    debug::log(Level::Info, format_args!("cannot run {path}: {what}{reason}"));
    errno
}

/// An ELF file, and what it says of itself.
struct ElfFile {
    file: Arc<OpenFile>,
    header: Header,
    parts: Parts,
}

impl ElfFile {
    /// Looks into a file that begins with `start`.
    fn read(file: Arc<OpenFile>, start: &[u8]) -> Result<Self, Refusal> {
        let header = Header::read(&start[..start.len().min(HEADER_BYTES)])?;
        let (offset, length) = header.table();
        let mut table = room(length)?;
        let there = match read_up_to(&file, offset, &mut table) {
            Err(Errno::EINVAL) => 0,
            there => there?,
        };
        let parts = Parts::read(header, &table[..there])?;
        Ok(Self { file, header, parts })
    }

    /// The program that it wants to run first, if it wants one.
    fn interpreter(&self) -> Result<Option<Self>, Refusal> {
        let Some((offset, length)) = self.parts.interpreter()? else { return Ok(None) };
        let mut path = room(length)?;
        if read_up_to(&self.file, offset, &mut path)? < length {
            return Err(Errno::EIO.into());
        }
        let file = fs::open_program(elf::interpreter_path(&path)?)?;
        let mut start = [0; HEADER_BYTES];
        if read_up_to(&file, 0, &mut start)? < HEADER_BYTES {
            return Err(Errno::EIO.into());
        }
        Self::read(file, &start).map(Some).map_err(Refusal::of_interpreter)
    }

    /// Where it lies if its first page goes to `base`, unless it insists on a place.
    fn place(&self, base: u64) -> Result<Image, Refusal> {
        Ok(self.parts.place(self.file.size(), base, tunables::lowest_address())?)
    }
}

/// Zeros to read into.
fn room(length: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    Ok(bytes)
}

/// Maps the program in `file`, which begins with `start`, and its interpreter. `path` is for the
/// log.
///
/// # Errors
/// Those of `execve`.
pub(super) fn load(
    file: &Arc<OpenFile>,
    path: &[u8],
    start: &[u8],
    stack_bytes: u64,
) -> Result<Loaded, Errno> {
    try_load(file, start, stack_bytes).map_err(|refusal| refuse(path, refusal))
}

fn try_load(file: &Arc<OpenFile>, start: &[u8], stack_bytes: u64) -> Result<Loaded, Refusal> {
    let program = ElfFile::read(file.clone(), start)?;
    let interpreter = program.interpreter()?;
    let randomize = Randomize::from_raw(tunables::randomize_va_space());
    let randomize = randomize.unwrap_or(Randomize::Nothing);
    let layout = Layout::new(randomize, stack_bytes, random::next_u64);
    let alignment = program.parts.alignment_bytes();
    let image = program.place(layout.pie_base / alignment * alignment)?;
    let space = AddressSpace::new()?;
    map_image(&space, &program.file, &image)?;
    {
        let mut space = space.lock();
        space.place_break(image.end + layout.heap_gap);
        if let Some(top) = layout.mapping_top {
            space.set_mapping_top(top);
        }
    }
    let (mut entry, mut interpreter_bias) = (image.entry, 0);
    if let Some(interpreter) = interpreter {
        let image = map_interpreter(&space, &interpreter).map_err(Refusal::of_interpreter)?;
        (entry, interpreter_bias) = (image.entry, image.bias);
    }
    Ok(Loaded { space, image, layout, entry, interpreter_bias })
}

/// Maps an interpreter: as high as other mappings, or where it insists on, if that is free.
fn map_interpreter(space: &AddressSpace, file: &ElfFile) -> Result<Image, Refusal> {
    let mut base = 0;
    if file.header.is_position_independent() {
        let pages = file.parts.extent_bytes()? / PAGE_SIZE_BYTES;
        let range = space.lock().find_room(0, pages).ok_or(Errno::ENOMEM)?;
        base = range.start.base();
    }
    let image = file.place(base)?;
    let first = image.segments.first().map_or(image.end, |segment| segment.start);
    let range = PageRange::new(Vpn::of(first), Vpn::of(image.end));
    if !space.lock().vmas().is_free(range) {
        return Err(Errno::ELIBBAD.into());
    }
    map_image(space, &file.file, &image)?;
    Ok(image)
}

fn prot_of(segment: &Segment) -> Prot {
    let [read, write, exec] = segment.access;
    Prot { read, write, exec }
}

fn map_image(space: &AddressSpace, file: &OpenFile, image: &Image) -> Result<(), Errno> {
    let object = file.object().map_err(|_| Errno::EACCES)?;
    for segment in &image.segments {
        if segment.file_bytes != 0 {
            let backing = Backing::Object { object: object.clone(), first: segment.first_page };
            map_part(space, segment, (segment.start, segment.mapped_bytes()), backing)?;
        }
        if let Some((mut at, length)) = segment.partial_zeros() {
            let end = at + length;
            while at < end {
                let part = (end - at).min(ZEROS.len() as u64);
                space.write(at, &ZEROS[..part as usize]).map_err(|_| Errno::ENOMEM)?;
                at += part;
            }
        }
        if let Some(range) = segment.zero_pages() {
            map_part(space, segment, range, Backing::Anonymous)?;
        }
    }
    Ok(())
}

static ZEROS: [u8; PAGE_SIZE_BYTES as usize / 8] = [0; PAGE_SIZE_BYTES as usize / 8];

fn map_part(
    space: &AddressSpace,
    segment: &Segment,
    (start, length_bytes): (u64, u64),
    backing: Backing<Object>,
) -> Result<(), Errno> {
    let request = Request {
        place: Place::Fixed(start),
        length_bytes,
        prot: prot_of(segment),
        max_prot: Prot::ALL,
        sharing: Sharing::Private,
        backing,
        purpose: Purpose::Mapping,
        no_reserve: false,
    };
    space.lock().map(space.machine(), request).map(|_| ())
}
