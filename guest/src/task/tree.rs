//! [`Tree`]: every number that names a process, a thread, a group or a session, and how processes
//! hang together: parents, children, those that have ended but were not waited for.
//!
//! Payloads are the kernel's objects. It keeps the tree under one lock, whose sections are short:
//! everything is a look-up, besides walks over the children or the group that are meant.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry::Vacant;
use alloc::vec::Vec;

use super::Pid;
use super::signal::Number;
use super::wait::{Wanted, Which};
use crate::errno::Errno;

/// Number of the first process, which adopts orphans.
pub const INIT: Pid = 1;
/// Where numbers go on once they have been all around: Linux's `RESERVED_PIDS`.
const RESERVED_PIDS: Pid = 300;
/// First number that there cannot be, unless told otherwise.
pub const DEFAULT_PID_MAX: Pid = 32768;
/// Limit of that: Linux's `PID_MAX_LIMIT`.
pub const PID_MAX_LIMIT: Pid = 4 << 20;

/// A process in the tree.
#[derive(Debug)]
pub struct Node<P> {
    /// The kernel's object.
    pub payload: P,
    /// What its parent hears when it ends; 0: nothing.
    pub exit_signal: Number,
    /// Whether it has run a program of its own: its parent may not move it any more.
    pub has_executed: bool,
    parent: Pid,
    group: Pid,
    session: Pid,
    is_ended: bool,
    /// Those that live, and those that have ended, in the order in which they did.
    living: Vec<Pid>,
    ended: Vec<Pid>,
}

impl<P> Node<P> {
    /// Number of its parent; 0 for the first process.
    pub const fn parent(&self) -> Pid {
        self.parent
    }

    /// Its group.
    pub const fn group(&self) -> Pid {
        self.group
    }

    /// Its session.
    pub const fn session(&self) -> Pid {
        self.session
    }

    /// Whether it waits only to be waited for.
    pub const fn is_ended(&self) -> bool {
        self.is_ended
    }
}

/// What one number stands for; it is free when all are empty.
#[derive(Debug)]
struct Entry<P, T> {
    is_reserved: bool,
    process: Option<Box<Node<P>>>,
    thread: Option<T>,
    /// Members of the group, and the session it belongs to.
    members: Vec<Pid>,
    group_session: Pid,
    /// How many groups belong to the session.
    session_groups: u32,
}

impl<P, T> Entry<P, T> {
    const EMPTY: Self = Self {
        is_reserved: false,
        process: None,
        thread: None,
        members: Vec::new(),
        group_session: 0,
        session_groups: 0,
    };

    fn is_free(&self) -> bool {
        !self.is_reserved
            && self.process.is_none()
            && self.thread.is_none()
            && self.members.is_empty()
            && self.session_groups == 0
    }
}

/// All of them. `P` is a process, `T` a thread.
#[derive(Debug)]
pub struct Tree<P, T> {
    entries: BTreeMap<Pid, Entry<P, T>>,
    next: Pid,
    max: Pid,
    processes: usize,
}

impl<P, T> Default for Tree<P, T> {
    fn default() -> Self {
        Self::new()
    }
}

/// What [`Tree::wait`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<C> {
    /// This child, and what it tells.
    Child(Pid, C),
    /// Nothing yet.
    NotYet,
    /// There is nobody to wait for: ECHILD.
    Nobody,
}

impl<P, T> Tree<P, T> {
    /// Without a process; the first number is 1.
    pub const fn new() -> Self {
        Self { entries: BTreeMap::new(), next: INIT, max: DEFAULT_PID_MAX, processes: 0 }
    }

    /// First number that there cannot be: /proc/sys/kernel/pid_max.
    pub const fn pid_max(&self) -> Pid {
        self.max
    }

    /// Changes it.
    ///
    /// # Errors
    /// EINVAL.
    pub fn set_pid_max(&mut self, max: Pid) -> Result<(), Errno> {
        if !(RESERVED_PIDS + 1..=PID_MAX_LIMIT).contains(&max) {
            return Err(Errno::EINVAL);
        }
        self.max = max;
        Ok(())
    }

    /// Takes a number that nothing uses, for [`insert`](Self::insert) or
    /// [`insert_thread`](Self::insert_thread); they are given out all around.
    ///
    /// # Errors
    /// EAGAIN where none is left.
    pub fn reserve(&mut self) -> Result<Pid, Errno> {
        for _ in 0..self.max {
            if self.next >= self.max {
                self.next = RESERVED_PIDS;
            }
            let pid = self.next;
            self.next += 1;
            if let Vacant(place) = self.entries.entry(pid) {
                place.insert(Entry { is_reserved: true, ..Entry::EMPTY });
                return Ok(pid);
            }
        }
        Err(Errno::EAGAIN)
    }

    /// The last number that was given out: for /proc/loadavg.
    pub const fn last_pid(&self) -> Pid {
        self.next.saturating_sub(1)
    }

    /// Gives a number back that was not used after all.
    pub fn release(&mut self, pid: Pid) {
        self.change(pid, |entry| entry.is_reserved = false);
    }

    /// Changes an entry, which is made or removed as it takes.
    fn change<R>(&mut self, pid: Pid, f: impl FnOnce(&mut Entry<P, T>) -> R) -> R {
        let entry = self.entries.entry(pid).or_insert(Entry::EMPTY);
        let result = f(entry);
        if entry.is_free() {
            self.entries.remove(&pid);
        }
        result
    }

    /// The process with this number, ended or not.
    pub fn get(&self, pid: Pid) -> Option<&Node<P>> {
        self.entries.get(&pid)?.process.as_deref()
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, pid: Pid) -> Option<&mut Node<P>> {
        self.entries.get_mut(&pid)?.process.as_deref_mut()
    }

    fn node(&mut self, pid: Pid) -> &mut Node<P> {
        self.get_mut(pid).expect("the process is in the tree")
    }

    /// The thread with this number.
    pub fn thread(&self, tid: Pid) -> Option<&T> {
        self.entries.get(&tid)?.thread.as_ref()
    }

    /// Enters a thread under a reserved number, or under that of its process.
    pub fn insert_thread(&mut self, tid: Pid, thread: T) {
        self.change(tid, |entry| {
            entry.is_reserved = false;
            entry.thread = Some(thread);
        });
    }

    /// Forgets a thread.
    pub fn remove_thread(&mut self, tid: Pid) -> Option<T> {
        self.change(tid, |entry| entry.thread.take())
    }

    /// How many processes there are, ended ones included.
    pub const fn processes(&self) -> usize {
        self.processes
    }

    /// How many numbers are in use.
    pub fn numbers(&self) -> usize {
        self.entries.len()
    }

    /// All processes, by number.
    pub fn iter(&self) -> impl Iterator<Item = (Pid, &Node<P>)> {
        self.entries.iter().filter_map(|(pid, entry)| Some((*pid, entry.process.as_deref()?)))
    }

    /// The process with the next number after `pid`.
    pub fn next_after(&self, pid: Pid) -> Option<&Node<P>> {
        let mut behind = self.entries.range(pid.saturating_add(1)..);
        behind.find_map(|(_, entry)| entry.process.as_deref())
    }

    /// Enters a process under a reserved number, as a child of `parent`, whose group and session it
    /// gets; the first process (parent 0) gets those of its own number.
    ///
    /// # Panics
    /// If there is no such parent.
    pub fn insert(&mut self, pid: Pid, parent: Pid, exit_signal: Number, payload: P) {
        let (group, session) = match self.get(parent) {
            Some(node) => (node.group, node.session),
            None => (pid, pid),
        };
        if parent != 0 {
            self.node(parent).living.push(pid);
        }
        let node = Node {
            payload,
            exit_signal,
            has_executed: false,
            parent,
            group,
            session,
            is_ended: false,
            living: Vec::new(),
            ended: Vec::new(),
        };
        self.change(pid, |entry| {
            entry.is_reserved = false;
            entry.process = Some(Box::new(node));
        });
        self.processes += 1;
        self.join(pid, group, session);
    }

    fn join(&mut self, pid: Pid, group: Pid, session: Pid) {
        let is_new = self.change(group, |entry| {
            let is_new = entry.members.is_empty();
            entry.members.push(pid);
            entry.group_session = session;
            is_new
        });
        if is_new {
            self.change(session, |entry| entry.session_groups += 1);
        }
    }

    fn leave(&mut self, pid: Pid, group: Pid) {
        let (session, is_gone) = self.change(group, |entry| {
            entry.members.retain(|member| *member != pid);
            (entry.group_session, entry.members.is_empty())
        });
        if is_gone {
            self.change(session, |entry| entry.session_groups -= 1);
        }
    }

    /// The members of a group, ended ones included; none where there is no such group.
    pub fn members(&self, group: Pid) -> &[Pid] {
        self.entries.get(&group).map_or(&[], |entry| &entry.members)
    }

    /// The session of a group; 0 where there is no such group.
    pub fn group_session(&self, group: Pid) -> Pid {
        match self.entries.get(&group) {
            Some(entry) if !entry.members.is_empty() => entry.group_session,
            _ => 0,
        }
    }

    /// `setpgid(pid, group)` by process `caller`; both numbers are real ones.
    ///
    /// # Errors
    /// ESRCH: neither the caller nor its child. EPERM: another session, a session's leader, or no
    /// such group in this session. EACCES: the child has executed a program.
    pub fn set_group(&mut self, caller: Pid, pid: Pid, group: Pid) -> Result<(), Errno> {
        let session = self.get(caller).ok_or(Errno::ESRCH)?.session;
        let node = self.get(pid).filter(|node| !node.is_ended).ok_or(Errno::ESRCH)?;
        if pid != caller {
            if node.parent != caller {
                return Err(Errno::ESRCH);
            }
            if node.session != session {
                return Err(Errno::EPERM);
            }
            if node.has_executed {
                return Err(Errno::EACCES);
            }
        }
        if node.session == pid || group != pid && self.group_session(group) != session {
            return Err(Errno::EPERM);
        }
        let old = node.group;
        if old != group {
            // First in, then out: the session must not end in between.
            self.join(pid, group, session);
            self.leave(pid, old);
            self.node(pid).group = group;
        }
        Ok(())
    }

    /// `setsid()`.
    ///
    /// # Errors
    /// EPERM where there is a group with its number.
    pub fn new_session(&mut self, pid: Pid) -> Result<(), Errno> {
        if !self.members(pid).is_empty() {
            return Err(Errno::EPERM);
        }
        let old = self.get(pid).ok_or(Errno::ESRCH)?.group;
        self.leave(pid, old);
        self.join(pid, pid, pid);
        let node = self.node(pid);
        (node.group, node.session) = (pid, pid);
        Ok(())
    }

    /// Whether nobody in the session, outside the group, is the parent of a living member: then
    /// stop signals of a terminal do not stop it (POSIX, "Orphaned Process Group").
    pub fn is_orphaned(&self, group: Pid) -> bool {
        !self.members(group).iter().any(|pid| self.ties_group(*pid))
    }

    /// Whether the process keeps its group from being orphaned.
    fn ties_group(&self, pid: Pid) -> bool {
        let Some(node) = self.get(pid).filter(|node| !node.is_ended) else { return false };
        let parent = self.get(node.parent).filter(|parent| !parent.is_ended);
        parent.is_some_and(|parent| parent.group != node.group && parent.session == node.session)
    }

    /// Its children, those that live first.
    pub fn children(&self, pid: Pid) -> impl Iterator<Item = Pid> {
        let node = self.get(pid);
        let lists = node.map(|node| node.living.iter().chain(&node.ended));
        lists.into_iter().flatten().copied()
    }

    /// The process has ended; until [`reap`](Self::reap) only its number is left. Its children,
    /// which are returned, are the first process's from now on.
    pub fn end(&mut self, pid: Pid) -> Vec<Pid> {
        let node = self.node(pid);
        node.is_ended = true;
        let parent = node.parent;
        let (living, ended) = (core::mem::take(&mut node.living), core::mem::take(&mut node.ended));
        if parent != 0 {
            let siblings = self.node(parent);
            siblings.living.retain(|child| *child != pid);
            siblings.ended.push(pid);
        }
        let mut orphans = living;
        let alive = orphans.len();
        orphans.extend(ended);
        for (index, child) in orphans.iter().enumerate() {
            self.node(*child).parent = INIT;
            let Some(init) = self.get_mut(INIT) else { continue };
            if index < alive { init.living.push(*child) } else { init.ended.push(*child) }
        }
        orphans
    }

    /// The groups that lose what ties them when `pid` ends: its own, and those of its children.
    /// Ask before [`end`](Self::end), keep those that are orphaned after it.
    pub fn tied_groups(&self, pid: Pid) -> Vec<Pid> {
        let children = self.children(pid).filter(|child| self.ties_group(*child));
        let tied = children.chain(Some(pid).filter(|pid| self.ties_group(*pid)));
        let mut groups: Vec<Pid> = tied.filter_map(|pid| Some(self.get(pid)?.group)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Forgets a process that has ended; its payload.
    pub fn reap(&mut self, pid: Pid) -> Option<P> {
        let node = self.get(pid).filter(|node| node.is_ended)?;
        let (parent, group) = (node.parent, node.group);
        if let Some(parent) = self.get_mut(parent) {
            parent.ended.retain(|child| *child != pid);
        }
        self.leave(pid, group);
        self.processes -= 1;
        self.change(pid, |entry| entry.process.take()).map(|node| node.payload)
    }

    /// Looks for a child of `caller` that has something to tell: `report` says what, if anything,
    /// of one that is `wanted`.
    pub fn wait<C>(
        &self,
        caller: Pid,
        wanted: &Wanted,
        mut report: impl FnMut(&Node<P>) -> Option<C>,
    ) -> Found<C> {
        let Some(node) = self.get(caller) else { return Found::Nobody };
        if let Which::Process(pid) = wanted.which {
            let child = self.get(pid).filter(|child| child.parent == caller);
            let Some(child) = child.filter(|child| self.is_meant(wanted, pid, child)) else {
                return Found::Nobody;
            };
            return report(child).map_or(Found::NotYet, |told| Found::Child(pid, told));
        }
        let mut anybody = false;
        for list in [&node.ended, &node.living] {
            for pid in list {
                let Some(child) = self.get(*pid) else { continue };
                if self.is_meant(wanted, *pid, child) {
                    anybody = true;
                    if let Some(told) = report(child) {
                        return Found::Child(*pid, told);
                    }
                    if !child.is_ended && !wanted.wants_the_living() {
                        break;
                    }
                }
            }
        }
        if anybody { Found::NotYet } else { Found::Nobody }
    }

    fn is_meant(&self, wanted: &Wanted, pid: Pid, child: &Node<P>) -> bool {
        wanted.means(pid, child.group, child.exit_signal)
    }
}

#[cfg(test)]
mod tests;
