//! Disks for programs: images with an empty ext2 file system by `mke2fs`, which `e2fsck` judges in
//! the end.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;

/// Where the tools are on some systems, though not on the path.
const SBIN: [&str; 2] = ["/usr/sbin", "/sbin"];
/// Small enough to be filled.
const SIZE: &str = "16M";

fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(SBIN.map(PathBuf::from));
    places.map(|place| place.join(name)).find(|path| path.is_file())
}

/// The tool that is missing, in a line.
pub(crate) fn missing() -> Option<String> {
    let absent = |name: &&str| tool(name).is_none();
    let found = ["mke2fs", "e2fsck"].into_iter().find(absent);
    found.map(|name| format!("{name} is not installed; scripts/setup --peers installs it"))
}

fn run(name: &str, arguments: &[&str], image: &Path) -> Result<(), Failed> {
    let tool = tool(name).ok_or_else(|| format!("{name} is missing"))?;
    let mut command = Command::new(tool);
    command.args(arguments).arg(image);
    if name == "mke2fs" {
        command.arg(SIZE);
    }
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{name}: {}", String::from_utf8_lossy(&said)).into())
}

/// Makes one.
pub(crate) fn make(image: &Path) -> Result<(), Failed> {
    run("mke2fs", &["-q", "-F", "-t", "ext2", "-b", "1024"], image)
}

/// It is whole.
pub(crate) fn judge(image: &Path) -> Result<(), Failed> {
    run("e2fsck", &["-fn"], image)
}
