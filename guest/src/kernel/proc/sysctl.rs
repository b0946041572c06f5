//! /proc/sys: switches that are numbers (`mm::tunables`), names of the system and of policies, the
//! audit.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::mm::policy::Kind;
use guest::proc_text::tunable::Tunable;

use super::audit;
use super::nodes::{DIRECTORY, READ_WRITE, Show, Store, directory, put, switch, switch_of, text};
use super::sysvipc::{self, Numbers};
use super::uts;
use crate::fs::pipe::users;
use crate::fs::synthetic::{Directory, Node};
use crate::ipc::limits;
use crate::mm::{memory, tunables};

/// A directory of switches, and of what else is in it.
struct Switches {
    prefix: &'static str,
    others: &'static [(&'static str, fn() -> Node)],
    /// Those that are kept elsewhere.
    more: Numbers,
}

impl Directory for Switches {
    fn names(&self) -> Vec<String> {
        let numbers = tunables::paths().filter_map(|path| path.strip_prefix(self.prefix));
        let others = self.others.iter().map(|(name, _)| *name);
        numbers.chain(others).chain(self.more.all_names()).map(ToOwned::to_owned).collect()
    }

    fn lookup(&self, name: &str) -> Option<Node> {
        let is_number = |path: &&str| path.strip_prefix(self.prefix) == Some(name);
        match tunables::paths().find(is_number) {
            Some(path) => Some(number(path)),
            None => match self.others.iter().find(|(own, _)| *own == name) {
                Some((_, node)) => Some(node()),
                None => self.more.find(name),
            },
        }
    }
}

fn number(path: &'static str) -> Node {
    let show = move |out: &mut String| put!(out, "{}\n", tunables::get(path)?);
    switch_of(READ_WRITE, show, move |text| tunables::store(path, text))
}

/// The directory.
pub(super) fn root() -> Node {
    directory(&[("vm", vm), ("kernel", kernel), ("fs", fs)])
}

fn vm() -> Node {
    const OTHERS: &[(&str, fn() -> Node)] = &[
        ("audit", || {
            let (show, store): (Show, Store) = (audit::show, audit::record_baseline);
            switch(show, store)
        }),
        ("replacement", || switch(show_policies, choose_policy)),
    ];
    Node::Directory(
        DIRECTORY,
        Arc::new(Switches { prefix: "vm/", others: OTHERS, more: Numbers(&[]) }),
    )
}

/// All policies of page replacement, the chosen one in brackets.
fn show_policies(out: &mut String) -> Result<(), Errno> {
    let chosen = memory(|memory| memory.policy.kind());
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        let space = if index > 0 { " " } else { "" };
        let name = kind.name();
        match kind == chosen {
            true => put!(out, "{space}[{name}]")?,
            false => put!(out, "{space}{name}")?,
        }
    }
    put!(out, "\n")
}

fn choose_policy(text: &str) -> Result<(), Errno> {
    let kind = Kind::from_name(text.trim()).ok_or(Errno::EINVAL)?;
    memory(|memory| memory.policy.choose(kind));
    Ok(())
}

fn kernel() -> Node {
    const OTHERS: &[(&str, fn() -> Node)] = &[
        ("ostype", || text(|out| put!(out, "{}\n", uts::OSTYPE))),
        ("osrelease", || text(|out| put!(out, "{}\n", uts::OSRELEASE))),
        ("version", || text(|out| put!(out, "{}\n", uts::VERSION))),
        ("sem", sysvipc::semaphore_limits),
        sysvipc::NEXT_IDS[0],
        sysvipc::NEXT_IDS[1],
        sysvipc::NEXT_IDS[2],
        ("domainname", || {
            switch(
                |out| put!(out, "{}\n", uts::domainname().escape_ascii()),
                |text| uts::set_domainname(text.trim_end_matches("\n").as_bytes()),
            )
        }),
        ("hostname", || {
            switch(
                |out| put!(out, "{}\n", uts::hostname().escape_ascii()),
                |text| uts::set_hostname(text.trim_end_matches("\n").as_bytes()),
            )
        }),
    ];
    let more = Numbers(&limits::SYSTEM_V);
    Node::Directory(DIRECTORY, Arc::new(Switches { prefix: "kernel/", others: OTHERS, more }))
}

fn fs() -> Node {
    const OTHERS: &[(&str, fn() -> Node)] = &[
        ("mqueue", || Node::Directory(DIRECTORY, Arc::new(Numbers(&limits::POSIX)))),
        ("pipe-max-size", || {
            switch(|out| put!(out, "{}\n", users::MAX_BYTES.get()), users::store_max_bytes)
        }),
    ];
    const PIPES: [&Tunable; 2] = [&users::SOFT_PAGES, &users::HARD_PAGES];
    let more = Numbers(&PIPES);
    Node::Directory(DIRECTORY, Arc::new(Switches { prefix: "fs/", others: OTHERS, more }))
}
