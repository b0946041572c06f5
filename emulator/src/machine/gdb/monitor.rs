//! What the user types behind gdb's `monitor`: the monitor's own commands, which only look, and
//! those few that do something.

use crate::debug::monitor;
use crate::machine::Machine;

/// What a command has said, and what it wants.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    /// The machine is to end.
    pub(super) quits: bool,
}

/// As the monitor's own list of commands.
const HELP: &str = "\
system_reset             start the machine again
quit                     end the machine
";

/// Carries out a line, asked of the hart with index `current`.
pub(super) fn execute(machine: &mut Machine, current: usize, line: &str) -> Said {
    let mut said = Said { text: String::new(), quits: false };
    match line.trim() {
        // Both as QEMU has it, and as other servers do.
        "system_reset" | "reset" => machine.reset(),
        "quit" | "q" => said.quits = true,
        line => {
            said.text = machine.inspect(current, |view| monitor::execute(view, line));
            if line == "help" {
                said.text.push_str(HELP);
            }
        }
    }
    said
}
