//! [`Simulators`]: where the two simulators are, and how a program is run on each with its commit
//! log on a pipe.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::program::RAM_BYTES;

/// What Spike must have to be the hart that Pagewalk is. Zicclsm makes misaligned accesses work;
/// Ziccid makes stores to code visible without `fence.i`.
pub(crate) const ISA: &str = "rv64gc_zba_zbb_zbc_zbs_zicond_zfh_zcb_zicbom_zicbop_zicboz_zihintpause_zawrs\
                   _zicntr_zihpm_sstc_svadu_svinval_svnapot_svpbmt_zicclsm_ziccid";

/// Where a program that does not end is stopped.
const MAX_INSNS: u64 = 20_000_000;

/// How the Python package says where its executable is.
const ASK_PYTHON: &str =
    "from riscv._utils import find_spike_executable; print(find_spike_executable())";

/// Paths of the executables.
#[derive(Debug)]
pub(super) struct Simulators {
    pub(super) spike: PathBuf,
    pagewalk: PathBuf,
}

/// A simulator at work.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// Its commit log.
    pub(super) log: BufReader<ChildStdout>,
}

impl Simulators {
    /// The two; Pagewalk is built unless it is given.
    ///
    /// # Errors
    /// A build that fails.
    pub(super) fn new(spike: PathBuf, pagewalk: Option<&Path>) -> Result<Self> {
        let pagewalk = match pagewalk {
            Some(path) => path.to_path_buf(),
            None => build_pagewalk()?,
        };
        Ok(Self { spike, pagewalk })
    }

    /// Starts `elf` on Spike. Its log has disassembly in it: only so does it tell of traps.
    pub(super) fn start_spike(&self, elf: &Path) -> Result<Running> {
        let mut command = Command::new(&self.spike);
        command.arg(format!("--isa={ISA}")).arg("--triggers=0");
        command.arg(format!("-m{}", RAM_BYTES >> 20));
        command.arg(format!("--instructions={MAX_INSNS}"));
        command.args(["-l", "--log-commits", "--log=/dev/stdout"]).arg(elf);
        Running::start(command)
    }

    /// Starts `elf` on Pagewalk.
    pub(super) fn start_pagewalk(&self, elf: &Path) -> Result<Running> {
        let mut command = Command::new(&self.pagewalk);
        command.args(["run", "--cpu", "max", "-m"]).arg((RAM_BYTES >> 20).to_string());
        command.arg("--max-insns").arg(MAX_INSNS.to_string());
        command.args(["--log-commits", "/dev/stdout"]).arg(elf);
        Running::start(command)
    }
}

impl Running {
    fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().context("standard output is a pipe")?;
        Ok(Self { child, log: BufReader::with_capacity(1 << 16, stdout) })
    }

    /// Stops it; what it had to say on standard error.
    pub(super) fn stop(mut self) -> String {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        drop(self.log);
        match self.child.wait_with_output() {
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        }
    }
}

/// Spike's executable: the one that is given, else the Python package's, else the one in PATH.
///
/// # Errors
/// None of these.
pub(crate) fn find_spike(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_path_buf());
    }
    if let Ok(answer) = Command::new("python3").args(["-c", ASK_PYTHON]).output()
        && answer.status.success()
    {
        return Ok(PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim()));
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&paths).map(|folder| folder.join("spike"));
    match candidates.find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("no Spike found: install the Python package `spike`, or give --spike PATH"),
    }
}

/// The executable of Pagewalk's release build, built now.
///
/// # Errors
/// A build that fails.
pub(crate) fn build_pagewalk() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--package", "pagewalk"])
        .current_dir(crate::root())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the release build of pagewalk failed");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = crate::root().join(target.unwrap_or_else(|| "target".into()));
    Ok(target.join("release/pagewalk"))
}
