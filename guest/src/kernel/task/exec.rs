//! Running programs: an address space is made from a file, complete but for its pages, before
//! anything of the old one is given up. From there on nothing can fail. `loader.rs` maps the file.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use guest::errno::Errno;
use guest::mm::{PageRange, Vpn};
use guest::task::limits;
use guest::task::script::{self, Script};
use guest::task::stack::{Arguments, Auxiliary, RANDOM_BYTES, StackImage, arguments_max_bytes};
use guest::task::time::TICKS_PER_S;

use super::loader::{self, Loaded};
use super::signal::timers;
use super::table::{TREE, Tree};
use super::{Credentials, Name, Process, Thread, current_process, random, signal, trampoline};
use crate::arch::tlb;
use crate::arch::trap::TrapFrame;
use crate::fs::{self, OpenFile};
use crate::ipc;
use crate::mm::AddressSpace;
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
        let length = loader::read_up_to(&file, 0, &mut start)?;
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
    let loaded = loader::load(&file, path, &start[..length], caller.stack_bytes)?;
    let trampoline = trampoline::map(&loaded.space)?;
    let stack = make_stack(&loaded, arguments, &caller.credentials)?;
    Ok(Program {
        space: loaded.space,
        file,
        entry: loaded.entry,
        stack_pointer: stack.pointer,
        areas: stack.areas,
        trampoline,
        name: Name::of_path(path),
    })
}

fn make_stack(
    loaded: &Loaded,
    arguments: Arguments,
    credentials: &Credentials,
) -> Result<StackImage, Errno> {
    let Loaded { space, image, layout, .. } = loaded;
    let mut random = [0; RANDOM_BYTES];
    random::fill(&mut random);
    let Credentials { uid, euid, gid, egid, .. } = *credentials;
    let auxiliary = Auxiliary {
        headers: (image.table, image.entries),
        entry: image.entry,
        interpreter_bias: loaded.interpreter_bias,
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
