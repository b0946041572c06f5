//! /proc/PID: directories of processes, and of their threads in `task`.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::proc_text::counts as text;
use linux_raw_sys::general as linux;

use super::load;
use super::memory::{self, Memory, PageMap};
use super::nodes::{DIRECTORY, READ, READ_WRITE, bytes_of, open, put, switch_of, text_of};
use super::status;
use crate::fs::inode::Flags;
use crate::fs::synthetic::{Directory, Node};
use crate::fs::{AtExec, FsContext, OpenFile, Place};
use crate::mm::AddressSpace;
use crate::task::{self, Pid, Process, Thread};

/// A process, or a thread of it, by number: what it is about may end while a file is open.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) pid: Pid,
    /// `None`: the process as such.
    pub(super) tid: Option<Pid>,
}

impl Target {
    /// The process.
    ///
    /// # Errors
    /// `ESRCH`: it has ended.
    pub(super) fn process(self) -> Result<Arc<Process>, Errno> {
        task::process(self.pid).ok_or(Errno::ESRCH)
    }

    /// The thread, or the first one of the process that lives.
    pub(super) fn thread(self, process: &Process) -> Option<Arc<Thread>> {
        let tid = self.tid.unwrap_or(self.pid);
        let threads = process.threads();
        let named = threads.iter().find(|thread| thread.tid == tid).cloned();
        named.or_else(|| threads.into_iter().next().filter(|_| self.tid.is_none()))
    }

    /// Whom its files belong to.
    fn owner(self) -> (u32, u32) {
        let credentials = self.process().map(|process| process.credentials());
        credentials.map_or((0, 0), |credentials| (credentials.euid, credentials.egid))
    }

    /// Its memory, if it has any, and the caller may look into it.
    ///
    /// # Errors
    /// `ESRCH`, `EACCES`.
    pub(super) fn readable_space(self) -> Result<Option<Arc<AddressSpace>>, Errno> {
        let process = self.process()?;
        if !may_look(&process) {
            return Err(Errno::EACCES);
        }
        Ok(process.space())
    }
}

/// Whether the caller may look into the process: its own, one of the same user, or any for root.
fn may_look(process: &Process) -> bool {
    let caller = task::current_process();
    let (own, other) = (caller.credentials(), process.credentials());
    let is_same = own.euid == other.uid && own.euid == other.euid && own.egid == other.gid;
    own.euid == 0 || caller.pid == process.pid || is_same
}

/// A text of the target.
type Show = fn(&Target, &mut String) -> Result<(), Errno>;

/// Texts of both processes and threads.
const TEXTS: [(&str, Show); 12] = [
    ("maps", memory::maps),
    ("smaps", memory::smaps),
    ("smaps_rollup", memory::smaps_rollup),
    ("pagetable", memory::pagetable),
    ("status", status::status),
    ("stat", status::stat),
    ("statm", status::statm),
    ("limits", status::limits),
    ("oom_score", status::oom_score),
    ("wchan", |_, out| put!(out, "0")),
    ("mounts", |target, out| super::system::mounts(&files_of(*target)?, out)),
    ("mountinfo", |target, out| super::system::mountinfo(&files_of(*target)?, out)),
];

/// What else there is.
const OTHERS: [(&str, fn(Target) -> Node); 16] = [
    ("cmdline", |target| bytes_of(READ, move || area(target, 0))),
    ("environ", |target| bytes_of(OWNER_READ, move || area(target, 1))),
    ("comm", comm),
    ("exe", |target| open(move || executable(target))),
    ("cwd", |target| open(move || place_of(target, |context| context.current))),
    ("root", |target| open(move || place_of(target, |context| context.root))),
    ("fd", |target| Node::Directory(OWNER_DIRECTORY, Arc::new(Descriptors(target)))),
    ("fdinfo", |target| Node::Directory(DIRECTORY, Arc::new(DescriptorTexts(Descriptors(target))))),
    ("pagemap", |target| Node::Bytes(OWNER_READ, Arc::new(PageMap(target)))),
    ("mem", |target| Node::Bytes(OWNER_READ_WRITE, Arc::new(Memory(target)))),
    ("faults", faults),
    ("oom_score_adj", status::oom_score_adj),
    ("oom_adj", status::oom_score_adj),
    ("suspend", load::suspend),
    ("ws", load::working_set),
    ("task", |target| Node::Directory(DIRECTORY, Arc::new(Tasks(target.pid)))),
];

/// Permission bits of what only the owner may see.
const OWNER_READ: u16 = 0o400;
const OWNER_READ_WRITE: u16 = 0o600;
const OWNER_DIRECTORY: u16 = 0o500;

/// Files that threads do not have.
const ONLY_OF_PROCESSES: [&str; 3] = ["task", "suspend", "ws"];

/// The directory of a process or thread.
struct Entries(Target);

impl Directory for Entries {
    fn names(&self) -> Vec<String> {
        let is_here = |name: &&str| self.0.tid.is_none() || !ONLY_OF_PROCESSES.contains(name);
        let texts = TEXTS.iter().map(|(name, _)| *name);
        texts
            .chain(OTHERS.iter().map(|(name, _)| *name))
            .filter(is_here)
            .map(String::from)
            .collect()
    }

    fn lookup(&self, name: &str) -> Option<Node> {
        if self.0.tid.is_some() && ONLY_OF_PROCESSES.contains(&name) {
            return None;
        }
        let target = self.0;
        if let Some((_, show)) = TEXTS.iter().find(|(own, _)| *own == name) {
            return Some(text_of(READ, move |out| show(&target, out)));
        }
        OTHERS.iter().find(|(own, _)| *own == name).map(|(_, node)| node(target))
    }

    fn owner(&self) -> (u32, u32) {
        self.0.owner()
    }
}

/// The directory of a process, if there is one with this number; a thread's number will do.
pub(super) fn directory(pid: Pid) -> Option<Node> {
    task::process(pid)?;
    Some(Node::Directory(DIRECTORY, Arc::new(Entries(Target { pid, tid: None }))))
}

/// Threads of a process.
struct Tasks(Pid);

impl Directory for Tasks {
    fn names(&self) -> Vec<String> {
        let threads = task::process(self.0).map(|process| process.threads()).unwrap_or_default();
        threads.iter().map(|thread| thread.tid.to_string()).collect()
    }

    fn lookup(&self, name: &str) -> Option<Node> {
        let tid = number(name)?;
        let process = task::process(self.0)?;
        process.threads().iter().find(|thread| thread.tid == tid)?;
        let target = Target { pid: self.0, tid: Some(tid) };
        Some(Node::Directory(DIRECTORY, Arc::new(Entries(target))))
    }

    fn owner(&self) -> (u32, u32) {
        Target { pid: self.0, tid: None }.owner()
    }
}

/// A number as it is written in a name: no sign, no zeros in front.
pub(super) fn number(name: &str) -> Option<u32> {
    let value = name.parse().ok()?;
    (name.starts_with(|first: char| first.is_ascii_digit()) && !name.starts_with('0')
        || name == "0")
        .then_some(value)
}

/// Descriptors of a process.
struct Descriptors(Target);

impl Descriptors {
    fn list(&self) -> Vec<u32> {
        let Ok(process) = self.0.process() else { return Vec::new() };
        if !may_look(&process) {
            return Vec::new();
        }
        let files = process.files();
        let files = files.lock();
        files.iter().map(|(fd, _)| fd).collect()
    }

    /// The descriptor of this name, if it is open.
    fn number(&self, name: &str) -> Option<u32> {
        let fd = number(name)?;
        let process = self.0.process().ok().filter(|process| may_look(process))?;
        process.files().lock().get(fd).ok().map(|_| fd)
    }
}

/// What is known of the descriptors of a process.
struct DescriptorTexts(Descriptors);

impl Directory for DescriptorTexts {
    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn lookup(&self, name: &str) -> Option<Node> {
        let (target, fd) = (self.0.0, self.0.number(name)?);
        Some(text_of(READ, move |out| descriptor(target, fd, out)))
    }

    fn owner(&self) -> (u32, u32) {
        self.0.owner()
    }
}

/// The text of fdinfo/N.
fn descriptor(target: Target, fd: u32, out: &mut String) -> Result<(), Errno> {
    let process = target.process()?;
    if !may_look(&process) {
        return Err(Errno::EACCES);
    }
    let files = process.files();
    let found = {
        let files = files.lock();
        files.get(fd).and_then(|open| Ok((open, files.at_exec(fd)?)))
    };
    let (open, at_exec) = found.map_err(|_| Errno::ENOENT)?;
    let cloexec = if at_exec == AtExec::Close { linux::O_CLOEXEC } else { 0 };
    let text = text::OpenFile {
        position: *open.position().lock(),
        flags: open.flags().0 | cloexec,
        mount: open.place().mount.as_ref().map_or(0, |mount| mount.id()),
        inode: open.inode().number(),
    };
    put!(out, "{text}")
}

impl Directory for Descriptors {
    fn names(&self) -> Vec<String> {
        self.list().iter().map(ToString::to_string).collect()
    }

    fn lookup(&self, name: &str) -> Option<Node> {
        let (target, fd) = (self.0, self.number(name)?);
        Some(open(move || target.process().ok()?.files().lock().get(fd).ok()))
    }

    fn owner(&self) -> (u32, u32) {
        self.0.owner()
    }
}

/// Bytes of arguments or environment, as the process has them now.
fn area(target: Target, which: usize) -> Result<Vec<u8>, Errno> {
    /// More is not shown: the whole is made for each read.
    const SHOWN_MAX_BYTES: u64 = 128 << 10;
    let Some(space) = target.readable_space()? else { return Ok(Vec::new()) };
    let (start, end) = target.process()?.argument_area()[which];
    let length = end.saturating_sub(start).min(SHOWN_MAX_BYTES) as usize;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    let count = space.read(start, &mut bytes);
    bytes.truncate(count);
    Ok(bytes)
}

fn comm(target: Target) -> Node {
    let show = move |out: &mut String| {
        let process = target.process()?;
        let name = status::name_of(target, &process);
        put!(out, "{}\n", String::from_utf8_lossy(&name))
    };
    switch_of(READ_WRITE, show, move |text| {
        let process = target.process()?;
        let thread = target.thread(&process).ok_or(Errno::ESRCH)?;
        if process.pid != task::current_process().pid {
            return Err(Errno::EINVAL);
        }
        thread.set_name(task::Name::new(text.trim_end_matches('\n').as_bytes()));
        Ok(())
    })
}

/// The program that the process runs.
fn executable(target: Target) -> Option<Arc<OpenFile>> {
    target.process().ok().filter(|process| may_look(process))?.executable()
}

/// Where the paths of a process begin.
fn files_of(target: Target) -> Result<FsContext, Errno> {
    Ok(target.process()?.fs().lock().clone())
}

/// A place that a process has, if the caller may know.
fn place_of(target: Target, choose: fn(FsContext) -> Place) -> Option<Arc<OpenFile>> {
    let process = target.process().ok().filter(|process| may_look(process))?;
    let context = process.fs().lock().clone();
    Some(OpenFile::only_name(choose(context), Flags(linux::O_PATH)))
}

fn faults(target: Target) -> Node {
    let show = move |out: &mut String| memory::faults(&target, out);
    switch_of(READ_WRITE, show, move |text| memory::record_faults(&target, text))
}
