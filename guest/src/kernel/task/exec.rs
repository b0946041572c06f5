//! Running programs: an address space is made from a file, complete but for its pages, before
//! anything of the old one is given up. From there on nothing can fail.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::mm::space::{Place, Request};
use guest::mm::vma::Purpose;
use guest::mm::{Backing, PageRange, Prot, Sharing, Vpn};
use guest::task::elf::{ElfError, HEADER_BYTES, Header, Image, Segment};
use guest::task::layout::{Layout, Randomize};
use guest::task::limits;
use guest::task::script::{self, Script};
use guest::task::stack::{Arguments, Auxiliary, RANDOM_BYTES, StackImage, arguments_max_bytes};
use guest::task::time::TICKS_PER_S;

use super::signal::timers;
use super::table::{TREE, Tree};
use super::{Credentials, Name, Process, Thread, current_process, random, signal, trampoline};
use crate::arch::tlb;
use crate::arch::trap::TrapFrame;
use crate::debug::{self, Level};
use crate::fs::{self, OpenFile};
use crate::ipc;
use crate::mm::{AddressSpace, Object, tunables};
use crate::sched::{self, Task, fp};
use crate::sync::SpinLock;

/// What a stack begins with besides what is on it, in bytes: it grows when it is touched.
const STACK_SPARE_BYTES: u64 = 128 << 10;
/// AT_HWCAP: the extensions A, C, D, F, I, M.
const EXTENSIONS: u64 = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 12;
/// Least stack that takes a signal frame, with the red zone of alignment: AT_MINSIGSTKSZ.
const SIGNAL_STACK_BYTES: u64 = signal::FRAME_BYTES + 16;

/// A program that is ready to run.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) space: Arc<AddressSpace>,
    pub(super) file: Arc<OpenFile>,
    pub(super) entry: u64,
    pub(super) stack_pointer: u64,
    pub(super) areas: [(u64, u64); 2],
    pub(super) trampoline: u64,
    pub(super) name: Name,
}

/// On whose behalf a program is made ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) credentials: Credentials,
    /// RLIMIT_STACK.
    pub(super) stack_bytes: u64,
}

/// Fills `to` from a file; how much of it there is.
fn read_up_to(file: &OpenFile, offset: u64, to: &mut [u8]) -> Result<usize, Errno> {
    let mut done = 0;
    while done < to.len() {
        match file.read_at(offset + done as u64, &mut to[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

/// Makes the address space for the program at `path`, which may be a script.
///
/// # Errors
/// Those of `execve`.
pub(super) fn load(path: &[u8], arguments: Arguments, caller: &Caller) -> Result<Program, Errno> {
    load_file(fs::open_program(path)?, path, arguments, caller)
}

/// The same for a file that is open.
///
/// # Errors
/// Those of `execve`.
pub(super) fn load_file(
    mut file: Arc<OpenFile>,
    path: &[u8],
    mut arguments: Arguments,
    caller: &Caller,
) -> Result<Program, Errno> {
    let mut start = [0; script::LINE_MAX_BYTES];
    let mut from = path.to_vec();
    let mut scripts = 0;
    let length = loop {
        let length = read_up_to(&file, 0, &mut start)?;
        if !script::is_script(&start[..length]) {
            break length;
        }
        if scripts == script::DEPTH_MAX {
            return Err(Errno::ELOOP);
        }
        scripts += 1;
        let script = Script::read(&start[..length]).ok_or(Errno::ENOEXEC)?;
        match script.argument {
            Some(argument) => arguments.replace_first(&[script.interpreter, argument, &from])?,
            None => arguments.replace_first(&[script.interpreter, &from])?,
        }
        from = script.interpreter.to_vec();
        file = fs::open_program(&from)?;
    };
    if arguments.count() == 0 {
        arguments.replace_first(&[b""])?;
    }
    arguments.set_path(path)?;
    let read = read_image(&file, &start[..length], caller.stack_bytes);
    let (image, layout) = read.map_err(|error| refuse(path, error))?;
    let space = AddressSpace::new()?;
    map_image(&space, &file, &image, &layout)?;
    let trampoline = trampoline::map(&space)?;
    let stack = make_stack(&space, &image, &layout, arguments, &caller.credentials)?;
    Ok(Program {
        space,
        file,
        entry: image.entry,
        stack_pointer: stack.pointer,
        areas: stack.areas,
        trampoline,
        name: Name::of_path(path),
    })
}

/// Why a file was not taken.
#[derive(Debug)]
enum Refusal {
    File(ElfError),
    Other(Errno),
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
    match refusal {
        Refusal::Other(errno) => errno,
        Refusal::File(error) => {
            if error != ElfError::NotElf {
                let (path, reason) = (path.escape_ascii(), error.reason());
                debug::log(Level::Info, format_args!("cannot run {path}: {reason}"));
            }
            error.errno()
        }
    }
}

fn read_image(file: &OpenFile, start: &[u8], stack_bytes: u64) -> Result<(Image, Layout), Refusal> {
    let header = Header::read(&start[..start.len().min(HEADER_BYTES)])?;
    let (offset, length) = header.table();
    let mut table = Vec::new();
    table.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    table.resize(length, 0);
    let there = read_up_to(file, offset, &mut table)?;
    table.truncate(there);
    let randomize = Randomize::from_raw(tunables::randomize_va_space());
    let randomize = randomize.unwrap_or(Randomize::Nothing);
    let layout = Layout::new(randomize, stack_bytes, random::next_u64);
    let lowest = tunables::lowest_address();
    let image = Image::read(&header, &table, file.size(), layout.pie_base, lowest)?;
    Ok((image, layout))
}

fn prot_of(segment: &Segment) -> Prot {
    let [read, write, exec] = segment.access;
    Prot { read, write, exec }
}

fn map_image(
    space: &AddressSpace,
    file: &OpenFile,
    image: &Image,
    layout: &Layout,
) -> Result<(), Errno> {
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
    let mut space = space.lock();
    space.place_break(image.end + layout.heap_gap);
    if let Some(top) = layout.mapping_top {
        space.set_mapping_top(top);
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

fn make_stack(
    space: &AddressSpace,
    image: &Image,
    layout: &Layout,
    arguments: Arguments,
    credentials: &Credentials,
) -> Result<StackImage, Errno> {
    let mut random = [0; RANDOM_BYTES];
    random::fill(&mut random);
    let Credentials { uid, euid, gid, egid, .. } = *credentials;
    let auxiliary = Auxiliary {
        headers: (image.table, image.entries),
        entry: image.entry,
        ids: [uid, euid, gid, egid],
        extensions: EXTENSIONS,
        ticks_per_s: TICKS_PER_S,
        signal_stack_bytes: SIGNAL_STACK_BYTES,
        vdso: 0,
        random,
    };
    let stack = StackImage::new(layout.stack_top - layout.stack_slack, arguments, &auxiliary);
    let bottom = stack.pointer - STACK_SPARE_BYTES;
    let range = PageRange::new(Vpn::of(bottom), Vpn::of(layout.stack_top));
    space.lock().set_stack(space.machine(), range)?;
    for (at, bytes) in [(stack.strings_at, &stack.strings), (stack.pointer, &stack.words)] {
        space.write(at, bytes).map_err(|_| Errno::ENOMEM)?;
    }
    Ok(stack)
}

/// Limit of arguments and environment of the caller's next program.
pub(crate) fn arguments_limit_bytes() -> u64 {
    arguments_max_bytes(current_process().limit(limits::STACK))
}

/// `execve` of the program at `path`, or of `file`, which was opened there.
///
/// # Errors
/// Those of `execve`; the old program then goes on.
pub(crate) fn exec(
    frame: &mut TrapFrame,
    file: Option<Arc<OpenFile>>,
    path: &[u8],
    arguments: Arguments,
) -> Result<(), Errno> {
    let process = current_process();
    let caller =
        Caller { credentials: process.credentials(), stack_bytes: process.limit(limits::STACK) };
    let program = match file {
        Some(file) => load_file(file, path, arguments, &caller)?,
        None => load(path, arguments, &caller)?,
    };
    process.end_other_threads()?;
    let thread = sched::current_thread();
    super::exit::let_go_of_memory(thread);
    forget_old_program(thread, process);
    let new_frame = TrapFrame::new_user(program.entry, program.stack_pointer);
    let space = program.space.clone();
    let name = program.name;
    let (old_space, old) = take_over(process, program);
    fp::reset_current();
    *frame = new_frame;
    tlb::sync_code();
    sched::replace_space(Some(space.clone()));
    ipc::leave_memory(process, old_space);
    drop(old);
    thread.set_name(name);
    process.release_parent();
    if thread.tid != process.pid {
        become_first(thread, process, space, frame)?;
    }
    Ok(())
}

/// Signals and what else a thread has told the kernel about its memory.
fn forget_old_program(thread: &Thread, process: &Process) {
    let mut signals = process.signals.lock();
    if Arc::strong_count(&signals.actions) > 1 {
        // Others keep theirs.
        let own = signals.actions.lock().clone();
        signals.actions = Arc::new(SpinLock::new(own));
    }
    signals.actions.lock().reset_for_exec();
    drop(signals);
    timers::clear(process);
    ipc::mqueue::forget_process(process.pid);
    thread.forget_memory();
}

/// Files that a program leaves behind.
type OldFiles = (Option<Arc<OpenFile>>, Vec<Arc<OpenFile>>);

/// Puts the new program in place of the old one, which is returned, to be dropped.
fn take_over(process: &Arc<Process>, program: Program) -> (Option<Arc<AddressSpace>>, OldFiles) {
    process.trampoline.store(program.trampoline, Ordering::Relaxed);
    mark_executed(&mut TREE.lock(), process);
    let files = process.own_files();
    let closed = files.lock().close_on_exec();
    let mut resources = process.resources.lock();
    resources.areas = program.areas;
    resources.name = program.name;
    let space = resources.space.replace(program.space);
    let executable = resources.executable.replace(program.file);
    (space, (executable, closed))
}

fn mark_executed(tree: &mut Tree, process: &Process) {
    if let Some(node) = tree.get_mut(process.pid) {
        node.has_executed = true;
        node.exit_signal = guest::task::signal::SIGCHLD;
    }
}

/// The program was executed by a thread other than the first: another one with the number of the
/// process goes on in its place.
fn become_first(
    thread: &Arc<Thread>,
    process: &Arc<Process>,
    space: Arc<AddressSpace>,
    frame: &TrapFrame,
) -> Result<(), Errno> {
    let first = Thread::new(process.pid, process.clone(), thread.name(), thread.mask());
    let task = Task::new_user(first.clone(), space, frame);
    let Ok(task) = task else {
        // There is no way back into the old program.
        super::exit::kill_process(guest::task::signal::SIGKILL);
    };
    *first.task.lock() = Some(task.clone());
    let mut signals = process.signals.lock();
    let mut pending = thread.change_pending(core::mem::take);
    first.change_pending(|new| core::mem::swap(new, &mut pending));
    signals.threads.push(first.clone());
    drop(signals);
    TREE.lock().insert_thread(process.pid, first);
    task.start();
    super::exit::exit_thread(guest::task::wait::Change::Exited(0))
}
