//! Where scenes are played: [`Stage`] shows numbers and remembers what was wrong with them.

use alloc::format;
use alloc::string::String;
use core::fmt::Display;

use guest_user::{Errno, println};

/// A scene of the tour.
#[derive(Debug)]
pub(crate) struct Scene {
    /// By which it is asked for.
    pub(crate) name: &'static str,
    /// What it is about, in a line.
    pub(crate) title: &'static str,
    /// What there is to see and why, in lines.
    pub(crate) text: &'static str,
    /// Does it.
    pub(crate) play: fn(&mut Stage) -> Played,
}

/// How a scene went on the stage; what its numbers say is told apart from this.
pub(crate) type Played = Result<(), Trouble>;

/// Why a scene ended early.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// This kernel does not show what the scene needs.
    Skipped(String),
    /// Something did not work.
    Failed(String),
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Self::Failed(format!("a system call: {error}"))
    }
}

/// How a scene ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok = 0,
    Failed = 1,
    Skipped = 2,
}

/// Shows the numbers of a scene.
#[derive(Debug)]
pub(crate) struct Stage {
    wrong: Option<&'static str>,
}

impl Stage {
    /// Shows a number that was read.
    pub(crate) fn show(&mut self, name: impl Display, value: impl Display, unit: &str) {
        let blank = if unit.is_empty() { "" } else { " " };
        println!("  {name}: {value}{blank}{unit}");
    }

    /// Shows a number that not every kernel tells.
    pub(crate) fn show_if_told(&mut self, name: &str, value: Option<u64>, unit: &str) {
        match value {
            Some(value) => self.show(name, value, unit),
            None => self.show(name, "not told", "by this kernel"),
        }
    }

    /// An empty line between groups of numbers.
    pub(crate) fn pause(&mut self) {
        println!();
    }

    /// What the numbers must be like; `what` says what is wrong where they are not.
    pub(crate) fn check(&mut self, holds: bool, what: &'static str) {
        if !holds {
            self.wrong.get_or_insert(what);
        }
    }
}

/// Plays a scene from its title to its verdict.
pub(crate) fn play(scene: &Scene) -> Verdict {
    let Scene { name, title, text, play } = scene;
    println!("\n=== {name}: {title} ===\n");
    text.lines().for_each(|line| println!("{line}"));
    println!();
    let mut stage = Stage { wrong: None };
    let played = play(&mut stage);
    println!();
    match (played, stage.wrong) {
        (Err(Trouble::Skipped(why)), _) => {
            println!("scene {name}: skipped {why}");
            Verdict::Skipped
        }
        (Err(Trouble::Failed(what)), _) => {
            println!("scene {name}: FAILED {what}");
            Verdict::Failed
        }
        (Ok(()), Some(what)) => {
            println!("scene {name}: FAILED {what}");
            Verdict::Failed
        }
        (Ok(()), None) => {
            println!("scene {name}: ok");
            Verdict::Ok
        }
    }
}
