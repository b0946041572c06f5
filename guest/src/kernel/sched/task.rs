//! [`Task`]: something that the scheduler runs, and the word that says what it is doing.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::sched::Share;

use super::alive::{self, Alive, Link, Own};
use super::run;
use crate::arch::context::Context;
use crate::arch::cpu;
use crate::arch::fpu::{FpState, SavedFp};
use crate::arch::hart::{self, HartMask, work};
use crate::arch::ipi::{self, Message};
use crate::arch::trap::TrapFrame;
use crate::mm::{AddressSpace, KernelStack};
use crate::sync::SpinLock;
use crate::task::Thread;

/// What a task is doing: the low byte of its state. The next byte says what kind of sleep it is.
///
/// Who sleeps goes RUNNING, ANNOUNCED, LEAVING, ASLEEP; the last step is made when the hart has let
/// go of its stack. A waker turns ANNOUNCED back into RUNNING, LEAVING into WOKEN, and ASLEEP into
/// READY; only the last one puts the task into a queue, since in the other cases a hart still has
/// it and finds out by itself.
pub(super) mod phase {
    pub(crate) const RUNNING: u32 = 0;
    /// In a run queue, or on the way there.
    pub(crate) const READY: u32 = 1;
    /// Runs, but looks for the last time before it sleeps.
    pub(crate) const ANNOUNCED: u32 = 2;
    /// On its way off the hart.
    pub(crate) const LEAVING: u32 = 3;
    pub(crate) const ASLEEP: u32 = 4;
    /// Was woken on its way off the hart.
    pub(crate) const WOKEN: u32 = 5;
    pub(crate) const DEAD: u32 = 6;
    /// Not started yet.
    pub(crate) const NEW: u32 = 7;
}

/// How a task sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// [`Task::interrupt`] ends it.
    Interruptible = 1 << 8,
    /// Only what it waits for ends it.
    Uninterruptible = 2 << 8,
    /// Stopped by a signal; [`Task::interrupt`] lets it look.
    Stopped = 3 << 8,
}

/// Size of a kernel stack.
const STACK_SIZE_BYTES: u64 = 16 << 10;
const PHASE_MASK: u32 = 0xff;
const SLEEP_MASK: u32 = 0xff00;

/// Something that the scheduler runs: a thread of a process, or of the kernel.
pub(crate) struct Task {
    name: &'static str,
    pub(super) own: Own,
    pub(super) stack: SpinLock<Option<KernelStack>>,
    pub(super) stack_top: u64,
    pub(super) is_user: bool,
    pub(super) context: Context,
    pub(super) fp: SavedFp,
    pub(super) state: AtomicU32,
    /// Where it runs, or ran last.
    pub(super) hart: AtomicU32,
    interrupted: AtomicBool,
    held: AtomicBool,
    /// It waits for memory, or works on having some.
    pub(super) is_stalled: AtomicBool,
    pub(super) link: Link,
    /// When it was put into a run queue, in ticks.
    pub(super) queued: AtomicU64,
    share: AtomicU64,
    pub(super) total_ticks: AtomicU64,
    pub(super) kernel_ticks: AtomicU64,
}

/// What a new task is made of.
struct Parts {
    name: &'static str,
    thread: Option<Arc<Thread>>,
    space: Option<Arc<AddressSpace>>,
    stack: KernelStack,
    context: Context,
    fp: FpState,
    share: Share,
}

impl Task {
    fn assemble(parts: Parts) -> Arc<Task> {
        let task = Arc::new(Task {
            name: parts.name,
            is_user: parts.thread.is_some(),
            own: Own::new(parts.thread, parts.space),
            stack_top: parts.stack.top(),
            stack: SpinLock::new(Some(parts.stack)),
            context: parts.context,
            fp: SavedFp::new(parts.fp),
            state: AtomicU32::new(phase::NEW),
            hart: AtomicU32::new(hart::index() as u32),
            interrupted: AtomicBool::new(false),
            held: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
            link: Link::default(),
            queued: AtomicU64::new(0),
            share: AtomicU64::new(parts.share.to_bits()),
            total_ticks: AtomicU64::new(0),
            kernel_ticks: AtomicU64::new(0),
        });
        alive::animate(&task);
        task
    }

    /// A task of the kernel that will run `main(argument)`; not yet runnable.
    pub(super) fn new_kernel(
        name: &'static str,
        main: fn(usize),
        argument: usize,
    ) -> Result<Arc<Task>, Errno> {
        let stack = KernelStack::new()?;
        let context = Context::kernel(stack.top(), main, argument);
        let (fp, share) = (FpState::ZERO, Share::default());
        Ok(Self::assemble(Parts { name, thread: None, space: None, stack, context, fp, share }))
    }

    /// The task that a hart runs when there is none; it runs already.
    pub(super) fn new_idle(index: usize) -> Result<Arc<Task>, Errno> {
        let stack = KernelStack::new()?;
        let (context, fp, share) = (Context::running(), FpState::ZERO, Share::default());
        let parts = Parts { name: "idle", thread: None, space: None, stack, context, fp, share };
        let task = Self::assemble(parts);
        task.hart.store(index as u32, Ordering::Relaxed);
        task.state.store(phase::RUNNING, Ordering::Release);
        Ok(task)
    }

    /// A task that will enter user mode with `frame` in this address space; not yet runnable.
    /// Floating-point state is a copy of the current task's, if that has one.
    ///
    /// # Errors
    /// `ENOMEM`: no stack.
    pub(crate) fn new_user(
        thread: Arc<Thread>,
        space: Arc<AddressSpace>,
        frame: &TrapFrame,
    ) -> Result<Arc<Task>, Errno> {
        let stack = KernelStack::new()?;
        let mut frame = *frame;
        let (fp, share) = match alive::current_or_none() {
            Some(parent) if parent.is_user => {
                (super::fp::for_child(&mut frame), parent.share().of_child())
            }
            _ => (FpState::ZERO, Share::default()),
        };
        let context = alive::user_context(&stack, &frame);
        let (thread, space) = (Some(thread), Some(space));
        Ok(Self::assemble(Parts { name: "user", thread, space, stack, context, fp, share }))
    }

    /// Makes a new task runnable, on the least loaded hart.
    pub(crate) fn start(self: &Arc<Self>) {
        let was = self.state.swap(phase::READY, Ordering::AcqRel);
        assert_eq!(was, phase::NEW, "a task starts once");
        run::enqueue_somewhere(Alive::of(self));
    }

    /// Ends an interruptible sleep, and makes it look at its signals before user mode.
    pub(crate) fn interrupt(self: &Arc<Self>) {
        self.interrupted.store(true, Ordering::SeqCst);
        let state = self.state.load(Ordering::SeqCst);
        let uninterruptible = Sleep::Uninterruptible as u32;
        match state & PHASE_MASK {
            phase::ANNOUNCED | phase::LEAVING | phase::ASLEEP
                if state & SLEEP_MASK != uninterruptible =>
            {
                super::wake(Alive::of(self));
            }
            phase::RUNNING | phase::ANNOUNCED => self.look(work::INTERRUPTED),
            // It will look when it is switched to.
            _ => {}
        }
    }

    /// Makes it look before user mode whether its process is suspended. Its sleep goes on.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
        if matches!(
            self.state.load(Ordering::SeqCst) & PHASE_MASK,
            phase::RUNNING | phase::ANNOUNCED
        ) {
            self.look(work::HELD);
        }
    }

    /// The same for the task that runs here.
    #[inline]
    pub(super) fn interrupt_here(&self) {
        if self.state.load(Ordering::Relaxed) == phase::RUNNING {
            // The kernel is not preempted: where it runs it looks next.
            self.interrupted.store(true, Ordering::SeqCst);
            hart::this().work.fetch_or(work::INTERRUPTED, Ordering::Release);
        } else {
            alive::current().interrupt();
        }
    }

    /// Makes the hart that runs the task do what is to be done before user mode. If the task has
    /// gone from there, it looks by itself where it goes on.
    fn look(&self, wanted: u32) {
        cpu::without_interrupts(|| {
            let index = self.hart.load(Ordering::SeqCst) as usize;
            hart::get(index).work.fetch_or(wanted, Ordering::Release);
            if index != hart::index() {
                ipi::send(HartMask(1 << index), Message::Look);
            }
        });
    }

    /// Guest ticks (10 MHz) spent in user mode and in the kernel.
    pub(crate) fn times(&self) -> (u64, u64) {
        run::settle_current();
        let total = self.total_ticks.load(Ordering::Relaxed);
        let kernel = self.kernel_ticks.load(Ordering::Relaxed);
        (total.saturating_sub(kernel), kernel)
    }

    /// One letter as in /proc/PID/stat: R running or runnable, S sleeping, D not interruptible,
    /// T stopped, Z.
    pub(crate) fn state(&self) -> char {
        let state = self.state.load(Ordering::Relaxed);
        match state & PHASE_MASK {
            phase::DEAD => 'Z',
            phase::LEAVING | phase::ASLEEP => match state & SLEEP_MASK {
                kind if kind == Sleep::Interruptible as u32 => 'S',
                kind if kind == Sleep::Stopped as u32 => 'T',
                _ => 'D',
            },
            _ => 'R',
        }
    }

    /// What it has had of its slice.
    pub(super) fn share(&self) -> Share {
        Share::from_bits(self.share.load(Ordering::Relaxed))
    }

    /// Changes that; only the hart that runs the task, or wakes it, does so.
    pub(super) fn set_share(&self, share: Share) {
        self.share.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Whether [`interrupt`](Self::interrupt) has left its mark.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// What is to be done before user mode: bits of [`work`].
    pub(super) fn wanted_work(&self) -> u32 {
        let interrupted = if self.is_interrupted() { work::INTERRUPTED } else { 0 };
        let held = if self.held.load(Ordering::SeqCst) { work::HELD } else { 0 };
        interrupted | held
    }

    /// Takes the mark of [`hold`](Self::hold) away.
    #[inline]
    pub(super) fn take_held(&self) -> bool {
        self.held.load(Ordering::Relaxed) && self.held.swap(false, Ordering::SeqCst)
    }

    /// Takes the mark away.
    #[inline]
    pub(super) fn take_interrupted(&self) -> bool {
        self.interrupted.swap(false, Ordering::SeqCst)
    }

    pub(super) fn clear_interrupted(&self) {
        self.interrupted.store(false, Ordering::SeqCst);
    }

    /// What it is called in the log.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Its stack: addresses from the lowest to the end.
    pub(crate) fn stack_range(&self) -> core::ops::Range<u64> {
        self.stack_top - STACK_SIZE_BYTES..self.stack_top
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, state) = (self.name, self.state());
        f.debug_struct("Task").field("name", &name).field("state", &state).finish_non_exhaustive()
    }
}
