//! e2fsprogs on the host: mke2fs makes images, e2fsck judges them, debugfs looks into them. Where
//! they are not installed, the tests that need them say so and do nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder that goes when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pagewalk-ext2-{}-{number}", std::process::id());
        // What is in memory need not wait for a disk.
        let memory = Path::new("/dev/shm");
        let around = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let path = around.join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(command: &mut Command) -> std::io::Result<Output> {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env("LC_ALL", "C").output()
}

/// Whether e2fsprogs is there; if not, `test` is skipped.
#[expect(clippy::print_stderr, reason = "the harness has no other way to say why it skips")]
pub(super) fn are_there(test: &str) -> bool {
    let found = ["mke2fs", "e2fsck", "debugfs"]
        .iter()
        .all(|tool| run(Command::new(tool).arg("-V")).is_ok_and(|output| output.status.success()));
    if !found {
        eprintln!("{test} is skipped: e2fsprogs (mke2fs, e2fsck, debugfs) is not installed");
    }
    found
}

/// An image as mke2fs makes it, of so many KiB, with what is in a folder.
pub(super) fn mke2fs(options: &[&str], kib: u32, from: Option<&Path>) -> Vec<u8> {
    let folder = Folder::new();
    let image = folder.path().join("image");
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", "ext2"]).args(options);
    if let Some(from) = from {
        command.arg("-d").arg(from);
    }
    let output = run(command.arg(&image).arg(format!("{kib}k"))).expect("mke2fs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(image).expect("an image")
}

/// What e2fsck did.
#[derive(Debug)]
pub(super) struct Judged {
    /// 0: nothing was wrong; 1: all is repaired; 4: something is left.
    pub(super) code: i32,
    pub(super) said: String,
    pub(super) image: Vec<u8>,
}

/// Has e2fsck look at an image.
pub(super) fn e2fsck(options: &[&str], image: &[u8]) -> Judged {
    let folder = Folder::new();
    let path = folder.path().join("image");
    fs::write(&path, image).expect("written");
    let output = run(Command::new("e2fsck").args(options).arg(&path)).expect("e2fsck");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().unwrap_or(-1);
    Judged { code, said, image: fs::read(&path).expect("an image") }
}

/// Nothing is wrong with an image.
#[track_caller]
pub(super) fn assert_clean(image: &[u8]) {
    let judged = e2fsck(&["-fn"], image);
    assert_eq!(judged.code, 0, "{}", judged.said);
}

/// What debugfs says to a command; with `-w` in the options it may change the image.
pub(super) fn debugfs(request: &str, image: &mut Vec<u8>) -> String {
    let folder = Folder::new();
    let path = folder.path().join("image");
    fs::write(&path, &*image).expect("written");
    let output = run(Command::new("debugfs").args(["-w", "-R", request]).arg(&path));
    *image = fs::read(&path).expect("an image");
    String::from_utf8_lossy(&output.expect("debugfs").stdout).into_owned()
}
