//! What the user types behind gdb's `monitor`.

use crate::machine::Machine;

/// What a command has said, and what it wants.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    /// The machine is to end.
    pub(super) quits: bool,
}

const HELP: &str = "\
help   this list
reset  start the machine again
quit   end the machine
";

/// Carries out a line, seen from the hart with index `current`.
pub(super) fn execute(machine: &mut Machine, _current: usize, line: &str) -> Said {
    let mut said = Said { text: String::new(), quits: false };
    match line.trim() {
        "help" | "" => said.text.push_str(HELP),
        "reset" | "system_reset" => machine.reset(),
        "quit" | "q" => said.quits = true,
        other => said.text = format!("{other:?} is no command here; `help` lists them\n"),
    }
    said
}
