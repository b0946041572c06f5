//! /proc/sysvipc, and what of /proc/sys is about queues, semaphores and segments.

use alloc::string::String;

use guest::errno::Errno;
use guest::proc_text::tunable::{self, Tunable};

use super::nodes::{READ_WRITE, directory, put, switch, switch_of, text};
use crate::fs::synthetic::{Directory, Node};
use crate::ipc::{limits, messages, segments, semaphores};

/// /proc/sysvipc.
pub(super) fn root() -> Node {
    directory(&[
        ("msg", || text(messages::show)),
        ("sem", || text(semaphores::show)),
        ("shm", || text(segments::show)),
    ])
}

/// Numbers that can be changed, as files of one directory of /proc/sys.
pub(super) struct Numbers(pub(super) &'static [&'static Tunable]);

impl Numbers {
    fn name(tunable: &Tunable) -> &'static str {
        tunable.path().rsplit('/').next().unwrap_or_default()
    }

    /// Their names.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|tunable| Self::name(tunable))
    }

    /// The one with this name.
    pub(super) fn find(&self, name: &str) -> Option<Node> {
        let tunable = *self.0.iter().find(|tunable| Self::name(tunable) == name)?;
        let show = move |out: &mut String| put!(out, "{}\n", tunable.get());
        Some(switch_of(READ_WRITE, show, move |text| tunable.store(text).map(|_| ())))
    }
}

impl Directory for Numbers {
    fn names(&self) -> alloc::vec::Vec<String> {
        self.all_names().map(String::from).collect()
    }

    fn lookup(&self, name: &str) -> Option<Node> {
        self.find(name)
    }
}

/// /proc/sys/kernel/{msg,sem,shm}_next_id.
pub(super) const NEXT_IDS: [(&str, fn() -> Node); 3] = [
    ("msg_next_id", || next_id(messages::next_id, messages::set_next_id)),
    ("sem_next_id", || next_id(semaphores::next_id, semaphores::set_next_id)),
    ("shm_next_id", || next_id(segments::next_id, segments::set_next_id)),
];

fn next_id(get: fn() -> i32, set: fn(i32)) -> Node {
    let show = move |out: &mut String| put!(out, "{}\n", get());
    switch_of(READ_WRITE, show, move |text| {
        let id = tunable::number(text).and_then(|number| i32::try_from(number).ok());
        set(id.ok_or(Errno::EINVAL)?);
        Ok(())
    })
}

/// /proc/sys/kernel/sem: four numbers.
pub(super) fn semaphore_limits() -> Node {
    switch(show_semaphore_limits, limits::store_semaphores)
}

fn show_semaphore_limits(out: &mut String) -> Result<(), Errno> {
    let limits::Semaphores { of_set, all, operations, sets } = limits::semaphores();
    put!(out, "{of_set}\t{all}\t{operations}\t{sets}\n")
}
