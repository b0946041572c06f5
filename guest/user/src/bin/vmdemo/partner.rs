//! The other process of a scene: a child that works in steps, each when it is told to.

use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::process;
use guest_user::{Errno, Result};

/// A child, seen by its parent.
#[derive(Debug)]
pub(crate) struct Partner {
    pid: i32,
    orders: File,
    answers: File,
}

/// The parent, seen by the child.
#[derive(Debug)]
pub(crate) struct Director {
    orders: File,
    answers: File,
}

fn send(to: &File, word: u64) -> Result<()> {
    to.write_all(&word.to_ne_bytes())
}

fn receive(from: &File) -> Result<u64> {
    let mut word = [0; size_of::<u64>()];
    let count = file::retry(|| from.read(&mut word))?;
    if count == word.len() { Ok(u64::from_ne_bytes(word)) } else { Err(Errno::PIPE) }
}

impl Partner {
    /// Makes a child that plays this part and ends; with status 1 where it does not work.
    pub(crate) fn start(part: impl FnOnce(&Director) -> Result<()>) -> Result<Self> {
        let (child_orders, orders) = file::pipe()?;
        let (answers, child_answers) = file::pipe()?;
        match process::fork()? {
            Some(pid) => Ok(Self { pid, orders, answers }),
            None => {
                drop((orders, answers));
                let director = Director { orders: child_orders, answers: child_answers };
                process::exit(i32::from(part(&director).is_err()))
            }
        }
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Tells it to go on, with a word.
    pub(crate) fn tell(&self, word: u64) -> Result<()> {
        send(&self.orders, word)
    }

    /// Waits for its answer.
    pub(crate) fn hear(&self) -> Result<u64> {
        receive(&self.answers)
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Result<Status> {
        let Self { pid, orders, answers } = self;
        drop(orders);
        let end = file::retry(|| process::wait(pid, 0))?;
        drop(answers);
        end.map(|(_, status)| status).ok_or(Errno::CHILD)
    }
}

impl Director {
    /// Waits for the word to go on.
    pub(crate) fn hear(&self) -> Result<u64> {
        receive(&self.orders)
    }

    /// Answers.
    pub(crate) fn tell(&self, word: u64) -> Result<()> {
        send(&self.answers, word)
    }
}
