//! A release build of pagewalk has its guest in itself: it boots where there is nothing else, and
//! its executable has every byte of the guest that cargo has built beside it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use libtest_mimic::Failed;

use crate::{GUEST, finish};

const PAGEWALK: &str = env!("CARGO_BIN_EXE_pagewalk");
/// Files of the guest.
const FILES: [&str; 2] = ["kernel", "initramfs.cpio"];

/// Whether the guest, or some of it, was built after this time: no build can have it from before.
pub(crate) fn is_newer(start: SystemTime) -> bool {
    let modified = |name| fs::metadata(GUEST.as_ref().ok()?.join(name)).ok()?.modified().ok();
    FILES.iter().any(|name| modified(name).is_none_or(|time| time >= start))
}

/// It has the guest, and boots it.
pub(crate) fn check() -> Result<(), Failed> {
    let executable = fs::read(PAGEWALK)?;
    for name in FILES {
        let file = GUEST.as_ref()?.join(name);
        crate::check(contains(&executable, &fs::read(&file)?), || {
            format!("{} is not in {PAGEWALK}", file.display())
        })?;
    }
    let directory = std::env::temp_dir().join(format!("pagewalk-embedded-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let booted = boots_in(&directory);
    fs::remove_dir_all(&directory)?;
    booted
}

fn boots_in(directory: &Path) -> Result<(), Failed> {
    let mut pagewalk = Command::new(PAGEWALK);
    pagewalk.env_clear().current_dir(directory);
    let text = finish(&mut pagewalk, &["uname", "echo $((6 * 7)) files", "exit 3"], 3)?;
    let has = |wanted: &str| text.lines().any(|line| line.trim() == wanted);
    crate::check(has("42 files"), || format!("no shell: {text}"))?;
    let left = fs::read_dir(directory)?.count();
    crate::check(left == 0, || format!("{left} files are left behind"))
}

/// Whether one is a part of the other.
fn contains(whole: &[u8], part: &[u8]) -> bool {
    /// Enough to tell places apart.
    const HEAD_BYTES: usize = 64;
    let head = &part[..part.len().min(HEAD_BYTES)];
    !part.is_empty()
        && whole
            .windows(head.len())
            .enumerate()
            .any(|(at, window)| window == head && whole.get(at..at + part.len()) == Some(part))
}
