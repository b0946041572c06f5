//! Linux for riscv64, Debian's kernel, booted on Pagewalk: the judge of programs that qemu-riscv64
//! does not run as Linux does. Booting takes seconds, so what they print there is kept in
//! `../golden/linux/`, and [`recorded`] holds it against Linux, or writes it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;

use super::cpio::Archive;
use super::{Case, TIMEOUT_SECONDS, compiled, run};

/// Begins the lines of [`init`] itself.
const MARK: &str = "=== ";
/// Enough for the largest program.
const MEMORY: &str = "256M";

/// What a program printed on Linux, where it ended with 0.
pub(crate) fn golden(case: &Case) -> PathBuf {
    let name = case.source.unwrap_or(case.name);
    Path::new(super::ROOT).join(format!("tests/golden/linux/{name}.txt"))
}

/// Runs these programs on Linux, and compares what they print with what is kept.
///
/// # Errors
/// What is not the same, or what went wrong.
pub(crate) fn recorded(kernel: &Path, busybox: &Path, cases: &[&Case]) -> Result<(), Failed> {
    let initramfs = Path::new(super::WORK).join("linux.cpio");
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "proc", "programs", "tmp"] {
        archive.directory(directory.as_bytes(), 0o755);
    }
    archive.file(b"bin/busybox", 0o755, &fs::read(busybox)?);
    archive.file(b"init", 0o755, init(cases).as_bytes());
    for source in cases.iter().filter_map(|case| case.source) {
        let path = format!("programs/{source}");
        archive.file(path.as_bytes(), 0o755, &fs::read(compiled(source)?)?);
    }
    fs::write(&initramfs, archive.finish())?;
    let mut pagewalk = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    pagewalk.args(["run", "-nographic", "-no-reboot", "-m", MEMORY, "-smp", "2"]);
    pagewalk.args(["--timeout", TIMEOUT_SECONDS, "-append", "console=ttyS0 quiet panic=-1"]);
    pagewalk.arg("-kernel").arg(kernel).arg("-initrd").arg(&initramfs);
    let output = run(&mut pagewalk, &[])?;
    let console = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    for case in cases {
        judge(case, &console)?;
    }
    Ok(())
}

/// What the machine does: each program in a directory of its own, in memory, and then no more.
fn init(cases: &[&Case]) -> String {
    let mut script = String::from(
        "#!/bin/busybox sh\n\
         b=/bin/busybox\n\
         $b mount -t proc proc /proc\n\
         $b mount -t devtmpfs dev /dev\n\
         $b mount -t tmpfs tmp /tmp\n\
         $b ln -s /proc/self/fd /dev/fd\n",
    );
    for case in cases {
        let (name, source) = (case.name, case.source.unwrap_or_default());
        let _infallible = write!(
            script,
            "$b mkdir /tmp/{name}; cd /tmp/{name}; echo '{MARK}{name}'\n\
             PATH=/nonexistent /programs/{source} </dev/null 2>&1; echo \"{MARK}status $?\"\n"
        );
    }
    script + "$b poweroff -f\n"
}

fn judge(case: &Case, console: &str) -> Result<(), Failed> {
    let name = case.name;
    let said = console.split_once(&format!("{MARK}{name}\n")).map(|(_, after)| after);
    let said = said.and_then(|after| after.split_once(&format!("{MARK}status ")));
    let (text, after) = said.ok_or_else(|| format!("{name} has not ended:\n{console}"))?;
    let status = after.lines().next().unwrap_or_default();
    if status != "0" {
        return Err(format!("{name} ended with {status} on Linux:\n{text}").into());
    }
    let path = golden(case);
    if std::env::var_os("PAGEWALK_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a file's"))?;
        return Ok(fs::write(path, text)?);
    }
    let kept = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let [kept, text] =
        [kept, text.to_owned()].map(|stdout| super::Outcome { code: 0, stdout, stderr: None });
    if kept == text {
        Ok(())
    } else {
        Err(format!("{name}: {}", super::difference(&text, &kept)).into())
    }
}
