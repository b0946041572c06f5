//! Tasks by pointer: [`Alive`], the task that runs here, and queues that need no memory of their
//! own. A task keeps itself alive until it has ended, so whoever knows that it has not (it runs, it
//! is in a run queue, it waits in a wait queue that is locked) needs no count of references.

use alloc::sync::Arc;
use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::Task;
use crate::arch::context::{self, Context};
use crate::arch::hart;
use crate::arch::trap::{self, TrapFrame};
use crate::mm::{AddressSpace, KernelStack};
use crate::task::Thread;

/// A task that does not end while this is in use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alive(NonNull<Task>);

// SAFETY: stands for a `&Task`, and that is `Sync`.
unsafe impl Send for Alive {}
// SAFETY: as above.
unsafe impl Sync for Alive {}

impl Alive {
    /// The caller sees to it that the task does not end while this is in use.
    pub(super) fn of(task: &Task) -> Self {
        Self(NonNull::from(task))
    }

    /// As a number, for a timer that is taken back before the task goes on.
    pub(super) fn to_number(self) -> usize {
        self.0.as_ptr() as usize
    }

    /// From the number that [`to_number`](Self::to_number) made, under the same promise.
    pub(super) fn from_number(number: usize) -> Self {
        Self(NonNull::new(number as *mut Task).expect("a task's number"))
    }
}

impl Deref for Alive {
    type Target = Task;

    #[inline]
    fn deref(&self) -> &Task {
        // SAFETY: the task is alive, by what `of` asks.
        unsafe { self.0.as_ref() }
    }
}

impl fmt::Debug for Alive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alive").field(&self.0).finish()
    }
}

/// What a task has of itself: the reference that keeps it alive, its thread, and the address space
/// that it runs in.
pub(super) struct Own {
    me: UnsafeCell<Option<Arc<Task>>>,
    thread: UnsafeCell<Option<Arc<Thread>>>,
    space: UnsafeCell<Option<Arc<AddressSpace>>>,
    /// How many [`CurrentSpace`] there are, which keep `space` as it is.
    space_users: Cell<u32>,
}

// SAFETY: `me` is set before the task is shared and taken after it has ended. The others change only
// when the task itself does that, and only the task itself looks, and the hart that switches to it.
unsafe impl Sync for Own {}
// SAFETY: as above.
unsafe impl Send for Own {}

impl Own {
    pub(super) fn new(thread: Option<Arc<Thread>>, space: Option<Arc<AddressSpace>>) -> Self {
        Self {
            me: UnsafeCell::new(None),
            thread: UnsafeCell::new(thread),
            space: UnsafeCell::new(space),
            space_users: Cell::new(0),
        }
    }
}

/// The address space that the current task runs in, and does not leave as long as this lives.
pub(crate) struct CurrentSpace {
    space: &'static AddressSpace,
    users: &'static Cell<u32>,
    /// It is the task's.
    not_send: PhantomData<*mut ()>,
}

impl Deref for CurrentSpace {
    type Target = AddressSpace;

    #[inline]
    fn deref(&self) -> &AddressSpace {
        self.space
    }
}

impl Drop for CurrentSpace {
    #[inline]
    fn drop(&mut self) {
        self.users.set(self.users.get() - 1);
    }
}

impl fmt::Debug for CurrentSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CurrentSpace").field(&self.space).finish()
    }
}

/// The address space that the current task runs in, if it is one of user mode and tasks run.
#[inline]
pub(crate) fn current_space() -> Option<CurrentSpace> {
    let task = current_or_none()?;
    // SAFETY: the task that runs here is what looks, and it is there as long as anybody in it. The
    // space stays, since `replace_space` looks at the count.
    let own = unsafe { &(*task.0.as_ptr()).own };
    let space = unsafe { &*own.space.get() }.as_deref()?;
    own.space_users.set(own.space_users.get() + 1);
    Some(CurrentSpace { space, users: &own.space_users, not_send: PhantomData })
}

/// Puts another space in the place of the current task's, and turns it on; what to drop, which no
/// hart is in on behalf of this task. Interrupts are off.
pub(super) fn replace_space(space: Option<Arc<AddressSpace>>) -> Option<Arc<AddressSpace>> {
    let task = current_alive();
    assert_eq!(task.own.space_users.get(), 0, "a task leaves a space that it uses");
    // SAFETY: only this task looks, and uses it nowhere, as just seen; no hart switches to it.
    let old = unsafe { core::mem::replace(&mut *task.own.space.get(), space) };
    activate_space(task);
    old
}

/// Turns the task's address space on, on this hart, which runs it or switches to it. Interrupts are
/// off.
pub(super) fn activate_space(task: Alive) {
    // SAFETY: the task does not change it meanwhile: it is what runs here, or does not run.
    match unsafe { &*task.own.space.get() } {
        Some(space) => space.activate(),
        None => crate::mm::activate_kernel(),
    }
}

/// Lets a new task keep itself alive, until [`bury`].
pub(super) fn animate(task: &Arc<Task>) {
    // SAFETY: the task is new: nobody else knows it yet.
    unsafe { *task.own.me.get() = Some(task.clone()) };
}

/// The end of a task that has switched away for the last time.
pub(super) fn bury(task: Alive) {
    // SAFETY: it runs no more, is in no queue, and its own reference is given up here, once.
    let me = unsafe { (*task.own.me.get()).take() };
    drop(me.expect("a task ends once"));
}

/// Gives up the thread of the task that runs here, which ends.
pub(super) fn drop_thread() {
    // SAFETY: only the task itself looks at it, and does so no more.
    let thread = unsafe { (*current_alive().own.thread.get()).take() };
    drop(thread);
}

/// The task that runs here, if tasks run already.
#[inline]
pub(super) fn current_or_none() -> Option<Alive> {
    from_pointer(hart::current())
}

/// The task that a hart has noted, if any: one that it runs, has just switched from, or always has.
pub(super) fn from_pointer(pointer: *mut ()) -> Option<Alive> {
    NonNull::new(pointer.cast::<Task>()).map(Alive)
}

/// The task that runs here.
#[inline]
pub(crate) fn current_alive() -> Alive {
    current_or_none().expect("tasks run")
}

/// The task that runs here. Stays valid while it runs, which is as long as anyone can look.
#[inline]
pub(crate) fn current() -> &'static Arc<Task> {
    // SAFETY: the reference lies in the task itself, which lives longer than whoever runs in it,
    // and changes only after its end.
    let me = unsafe { &*(*current_alive().0.as_ptr()).own.me.get() };
    me.as_ref().expect("a task that runs has not ended")
}

/// The user thread that runs here; panics in a kernel thread.
#[inline]
pub(crate) fn current_thread() -> &'static Arc<Thread> {
    current_thread_or_none().expect("a thread of user mode")
}

/// The user thread that runs here; none in a kernel thread.
#[inline]
pub(crate) fn current_thread_or_none() -> Option<&'static Arc<Thread>> {
    // SAFETY: as above; it is dropped by the last thing that the task does.
    let thread = unsafe { &*(*current_alive().0.as_ptr()).own.thread.get() };
    thread.as_ref()
}

/// The registers of user mode of the task, at the top of its stack.
pub(super) fn user_frame(task: &Task) -> *mut TrapFrame {
    trap::frame_of_stack(task.stack_top)
}

/// Where user mode of the current thread goes on: behind the `ecall`, in a system call.
pub(crate) fn user_pc() -> u64 {
    // SAFETY: the thread is in the kernel, so its frame is there; whoever changes it meanwhile is
    // this thread, which is here.
    unsafe { TrapFrame::pc_of(user_frame(current())) }
}

/// Floating-point registers: those of one task of user mode go, those of another come.
///
/// Interrupts are off, and `from` runs here, `to` next.
pub(super) fn exchange_fp(from: &Task, to: &Task) {
    // SAFETY: this hart switches from the one to the other, so both are its own.
    unsafe {
        if from.is_user {
            from.fp.leave(user_frame(from));
        }
        if to.is_user {
            to.fp.enter(user_frame(to));
        }
    }
}

/// Goes on with `to`; comes back when somebody goes on with `from`, maybe on another hart.
///
/// Interrupts are off. `from` runs here, and `to` was taken out of a run queue or is the hart's
/// idle task.
pub(super) fn switch(from: Alive, to: Alive) {
    // SAFETY: who is in a run queue has been switched from, and was taken out by this hart alone.
    unsafe { context::switch(&from.context, &to.context) };
}

/// Where a task of user mode begins that has this stack and will have this frame.
pub(super) fn user_context(stack: &KernelStack, frame: &TrapFrame) -> Context {
    // SAFETY: a new stack: nobody has its address, and it is mapped.
    unsafe { Context::user(stack.top(), frame) }
}

/// Tasks in a row, linked through themselves; a task is in one queue at most.
pub(super) struct Queue {
    head: *mut Task,
    tail: *mut Task,
}

// SAFETY: whoever has it has the links of the tasks in it.
unsafe impl Send for Queue {}

/// The link of a task in a queue.
#[derive(Debug, Default)]
pub(super) struct Link(AtomicPtr<Task>);

impl Queue {
    pub(super) const fn new() -> Self {
        Self { head: ptr::null_mut(), tail: ptr::null_mut() }
    }

    /// The one that has waited longest.
    pub(super) fn first(&self) -> Option<Alive> {
        NonNull::new(self.head).map(Alive)
    }

    pub(super) fn push(&mut self, task: Alive) {
        let pointer = task.0.as_ptr();
        task.link.0.store(ptr::null_mut(), Ordering::Relaxed);
        match NonNull::new(self.tail) {
            Some(tail) => Alive(tail).link.0.store(pointer, Ordering::Relaxed),
            None => self.head = pointer,
        }
        self.tail = pointer;
    }

    pub(super) fn pop(&mut self) -> Option<Alive> {
        let first = self.first()?;
        self.head = first.link.0.load(Ordering::Relaxed);
        if self.head.is_null() {
            self.tail = ptr::null_mut();
        }
        Some(first)
    }
}
