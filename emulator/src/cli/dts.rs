//! `pagewalk dts`: the device tree of a machine, or one from a file, as source text; or as the
//! blob that kernels take.

use std::fs;
use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

use super::HostTrouble;
use super::args::DtsArgs;
use crate::machine::boot::Payload;
use crate::machine::config::ClockSource;
use crate::machine::device_tree::{self, Chosen, DeviceTree};

/// Writes the tree that `args` ask for; yields the exit code.
pub(super) fn run(args: &DtsArgs) -> Result<u8> {
    let tree = match &args.dtb {
        Some(path) => {
            let blob = Payload::read(path)?.bytes;
            DeviceTree::parse(&blob).with_context(|| format!("cannot load {}", path.display()))?
        }
        None => {
            device_tree::describe(&args.machine.config(ClockSource::default()), &Chosen::default())
        }
    };
    let Some(path) = &args.binary else { return print(&tree) };
    let blob = tree.to_blob().context("cannot write the device tree as a blob")?;
    fs::write(path, blob)
        .map_err(|source| HostTrouble { what: path.display().to_string(), source })?;
    Ok(0)
}

fn print(tree: &DeviceTree) -> Result<u8> {
    let mut out = io::stdout().lock();
    match write!(out, "{tree}").and_then(|()| out.flush()) {
        // Somebody has read enough: `pagewalk dts | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        Err(source) => Err(HostTrouble { what: "standard output".to_owned(), source }.into()),
        Ok(()) => Ok(0),
    }
}
