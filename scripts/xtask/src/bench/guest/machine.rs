//! [`Machine`]: runs of the program `swapbench`, on the guest operating system and on Linux, and the
//! [`Figures`] that it prints. Time is counted instructions, so that the same run has the same
//! figures on every host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::super::output::shortened;
use crate::guest::cpio::Archive;

const PROGRAM: &str = "swapbench";
/// Where its arguments are in the RAM disk.
const ARGUMENTS: &str = "etc/arguments";
/// What a run may execute; several times of what the longest one needs.
const MAX_INSNS: u64 = 100_000_000_000;
/// Of the machine that records.
const RECORDER_RAM: &str = "128M";

/// The first process on Linux: swaps to the disk, and lets programs read the counter.
const LINUX_INIT: &str = "#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
while read -r module; do /bin/busybox insmod \"/modules/$module\"; done </modules/boot.order
echo 2 >/proc/sys/kernel/perf_user_access
/bin/swapbench cost
echo \"figure status $?\"
/bin/busybox poweroff -f
";

/// The parts of a machine.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) pagewalk: PathBuf,
    /// Where the guest's kernel and RAM disk are.
    pub(super) bundle: PathBuf,
    /// The program, and where a run keeps its files.
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
    /// Where `scripts/linux` keeps its kernel.
    pub(super) linux: PathBuf,
    pub(super) timeout_seconds: u64,
}

/// RAM, swap area, and how slow the disk is, in the emulator's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) ram: &'static str,
    pub(super) swap: &'static str,
    pub(super) latency: &'static str,
}

/// Named numbers, in the order in which they were printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures(pub(super) Vec<(String, u64)>);

impl Figures {
    /// Reads the lines `figure NAME NUMBER`; others are passed over.
    ///
    /// # Errors
    /// A line that begins so and goes on otherwise.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let text = String::from_utf8_lossy(text);
        let lines = text.lines().map(str::trim_end).filter(|line| line.starts_with("figure "));
        let figure = |line: &str| {
            let mut words = line.split(' ').skip(1);
            match (words.next(), words.next().and_then(|word| word.parse().ok()), words.next()) {
                (Some(name), Some(number), None) if !name.is_empty() => {
                    Ok((name.to_owned(), number))
                }
                _ => bail!("not a figure: {}", shortened(line)),
            }
        };
        lines.map(figure).collect::<Result<_>>().map(Self)
    }

    /// All numbers of that name.
    pub(super) fn all(&self, name: &str) -> Vec<u64> {
        self.0.iter().filter(|(other, _)| other == name).map(|(_, number)| *number).collect()
    }

    /// The only one.
    ///
    /// # Errors
    /// There is none, or several.
    pub(super) fn one(&self, name: &str) -> Result<u64> {
        match self.all(name)[..] {
            [number] => Ok(number),
            ref numbers => bail!("{} figures {name}", numbers.len()),
        }
    }
}

impl Machine {
    /// Runs the program on the guest operating system; nothing else is in the RAM disk.
    ///
    /// # Errors
    /// It fails, or prints what is no figure.
    pub(super) fn run(&self, size: Size, arguments: &[&str]) -> Result<Figures> {
        let mut archive = self.archive()?;
        let words = [&[PROGRAM], arguments].concat();
        let words: String = words.iter().map(|word| format!("{word}\0")).collect();
        for directory in ["dev", "etc", "proc"] {
            archive.directory(directory.as_bytes(), 0o755);
        }
        archive.file(ARGUMENTS.as_bytes(), 0o644, words.as_bytes());
        let append = format!("quiet init=/bin/{PROGRAM} init.args=/{ARGUMENTS}");
        let kernel = self.bundle.join("kernel");
        let name = arguments.join("-");
        let output = self.boot(size, &kernel, &append, (&name, &archive.finish()))?;
        self.judge(&output)?;
        Figures::parse(&output.stdout)
    }

    /// What instructions pages cost on Linux, and its version; none where it is not there.
    ///
    /// # Errors
    /// As [`Machine::run`].
    pub(super) fn run_on_linux(&self, size: Size) -> Result<Option<(String, Figures)>> {
        let kernel = self.linux.join("kernel");
        let initrd = self.linux.join("initrd.gz");
        if !kernel.exists() || !initrd.exists() {
            return Ok(None);
        }
        let mut archive = self.archive()?;
        archive.file(b"swapbench.init", 0o755, LINUX_INIT.as_bytes());
        // Archives may follow one another, and all of them are unpacked.
        let initrd = [archive.finish(), read(&initrd)?].concat();
        let append = "console=ttyS0 quiet panic=-1 rdinit=/swapbench.init";
        let output = self.boot(size, &kernel, append, ("linux", &initrd))?;
        self.judge(&output)?;
        let figures = Figures::parse(&output.stdout)?;
        let status = figures.one("status").with_context(|| last_line(&output))?;
        ensure!(status == 0, "{PROGRAM} fails on Linux: {}", last_line(&output));
        let packages = fs::read_to_string(self.linux.join("packages")).unwrap_or_default();
        Ok(Some((linux_version(&packages), figures)))
    }

    /// The bytes of the program's recording, made where everything fits into RAM.
    ///
    /// # Errors
    /// As [`Machine::run`].
    pub(super) fn record(&self, workload: &str, pages: u64) -> Result<Vec<u8>> {
        let mut command = Command::new(&self.pagewalk);
        command.args(["--clock", "warp", "-m", RECORDER_RAM]);
        command.args(["--timeout", &self.timeout_seconds.to_string()]);
        command.arg(&self.program).args(["record", workload, &pages.to_string()]);
        let output = self.output(command.env("PAGEWALK_GUEST", &self.bundle))?;
        self.judge(&output)?;
        Ok(output.stdout)
    }

    /// A RAM disk with the program.
    fn archive(&self) -> Result<Archive> {
        let mut archive = Archive::default();
        archive.directory(b"bin", 0o755);
        archive.file(format!("bin/{PROGRAM}").as_bytes(), 0o755, &read(&self.program)?);
        Ok(archive)
    }

    /// Boots: the kernel, its command line, and name and content of the RAM disk.
    fn boot(
        &self,
        size: Size,
        kernel: &Path,
        append: &str,
        (name, initrd): (&str, &[u8]),
    ) -> Result<Output> {
        let path = self.folder.join(format!("{name}.cpio"));
        fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(&path, initrd))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let mut command = Command::new(&self.pagewalk);
        command.args(["run", "--nographic", "--clock", "warp", "-m", size.ram]);
        command.args(["--swap", size.swap, "--disk-latency", size.latency]);
        command.args(["--timeout", &self.timeout_seconds.to_string()]);
        command.args(["--max-insns", &MAX_INSNS.to_string(), "--append", append]);
        command.arg("--kernel").arg(kernel).arg("--initrd").arg(&path);
        let output = self.output(&mut command);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        output
    }

    fn output(&self, command: &mut Command) -> Result<Output> {
        command.env("PAGEWALK_LOG", "error").stdin(Stdio::null());
        command.output().with_context(|| format!("cannot start {}", self.pagewalk.display()))
    }

    fn judge(&self, output: &Output) -> Result<()> {
        ensure!(output.status.success(), "{}: {}", output.status, last_line(output));
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The last words of who has failed.
fn last_line(output: &Output) -> String {
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.next_back().map(shortened)
    };
    last(&output.stderr).or_else(|| last(&output.stdout)).unwrap_or_default()
}

/// The version of the kernel among the names of packages.
pub(super) fn linux_version(packages: &str) -> String {
    let version = packages.lines().find_map(|line| line.strip_prefix("linux-image-"));
    let version = version.and_then(|version| version.split(['+', '-', '_']).next());
    format!("Linux {}", version.unwrap_or_default()).trim_end().to_owned()
}
