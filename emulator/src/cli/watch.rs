//! Who watches a run: the commit log, `-d` and `--stats`, and the engine that tells them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::args::{DebugArgs, StatsForm};
use super::{HostTrouble, diagnose};
use crate::debug::stats::Collected;
use crate::debug::symbols::Symbols;
use crate::debug::trace::{Filter, TraceItems, TraceOptions};
use crate::debug::{CommitLog, Observers, Stats, Tracer};
use crate::engine::{Engine, Interpreter};
use crate::isa::Extensions;
use crate::machine::Machine;

/// Everybody who watches.
#[derive(Debug)]
pub(super) struct Watch {
    observers: Observers,
    counted: Option<(StatsForm, Collected)>,
    /// What a file that cannot be written is called.
    files: String,
}

/// The items that `-d` names, all taken together.
pub(super) fn items(args: &DebugArgs) -> TraceItems {
    args.log_items.iter().fold(TraceItems::default(), |all, items| all | *items)
}

impl Watch {
    /// Those whom `args` ask for, for a program with these symbols.
    pub(super) fn new(args: &DebugArgs, symbols: &Symbols) -> Result<Self> {
        let mut observers = Observers::default();
        let mut files = Vec::new();
        if let Some(path) = &args.log_commits {
            observers.commit_log = Some(CommitLog::new(create(path)?, 0));
            files.push(path.display().to_string());
        }
        let options = TraceOptions {
            items: items(args),
            filter: Filter {
                modes: args.trace_mode.unwrap_or_default(),
                regions: args.trace_symbol.clone(),
            },
        };
        if !options.items.is_empty() {
            let out = match &args.log_file {
                Some(path) => {
                    files.push(path.display().to_string());
                    create(path)?
                }
                None => Box::new(io::stderr()),
            };
            observers.tracer = Some(Tracer::new(&options, symbols.clone(), out)?);
        }
        let counted = args.stats.map(|form| {
            let stats = Stats::new();
            let collected = stats.collected();
            observers.stats = Some(stats);
            (form, collected)
        });
        Ok(Self { observers, counted, files: files.join(", ") })
    }

    /// The engine for harts with `extensions`, and what is left to do at the end. One that a
    /// debugger may stop is watched in any case.
    pub(super) fn engine(
        self,
        extensions: Extensions,
        may_stop: bool,
    ) -> (Box<dyn Engine>, Closing) {
        let Self { observers, counted, files } = self;
        let engine: Box<dyn Engine> = if observers.is_empty() && !may_stop {
            Box::new(Interpreter::new(extensions))
        } else {
            Box::new(Interpreter::with_observer(extensions, observers))
        };
        (engine, Closing { counted, files })
    }
}

/// What is left to do when a run is over.
#[derive(Debug)]
pub(super) struct Closing {
    counted: Option<(StatsForm, Collected)>,
    files: String,
}

impl Closing {
    /// Ends `machine`, and prints what was counted.
    pub(super) fn finish(self, machine: Machine) -> Result<()> {
        let devices = machine.device_counts();
        machine.finish().map_err(|source| HostTrouble { what: self.files, source })?;
        match self.counted {
            None => {}
            Some((StatsForm::Text, counted)) => {
                let report = counted.report(devices).to_string();
                diagnose(format_args!("{}", report.trim_end()));
            }
            Some((StatsForm::Json, counted)) => {
                diagnose(format_args!("{}", counted.report(devices).to_json()));
            }
        }
        Ok(())
    }
}

fn create(path: &Path) -> Result<Box<dyn Write + Send>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Box::new(file))
}
