//! The options of `pagewalk run` that matter to programs for Linux, which the guest operating
//! system runs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// What a program for Linux sees of the host.
#[derive(Debug, Args)]
#[command(next_help_heading = "Programs for Linux")]
pub(in super::super) struct ProgramArgs {
    /// Put the files in DIR into the guest's file system, at its root
    ///
    /// They are copied: what the program does to them stays in the guest.
    #[arg(long, value_name = "DIR")]
    pub(in super::super) root: Option<PathBuf>,

    /// Variable of the program's environment; without a value, as it is here
    ///
    /// PATH, HOME, PWD, TERM and LANG are always there.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(in super::super) env: Vec<OsString>,

    /// Give the program all variables of this environment but PATH, HOME and PWD
    #[arg(long)]
    pub(in super::super) env_all: bool,
}
