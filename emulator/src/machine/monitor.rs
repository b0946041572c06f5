//! The monitor: commands that act on the machine, behind gdb's `monitor` and behind Ctrl-A c. What
//! only looks is answered by [`debug::monitor`](crate::debug::monitor).

use super::Machine;
use crate::debug::monitor;

/// What a command has said, and what it wants.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    /// The machine is to end.
    pub(super) quits: bool,
}

/// As the other commands' own list.
const HELP: &str = "\
system_reset             start the machine again
quit                     end the machine
";

impl Machine {
    /// Carries out a line for the monitor, seen from the hart with index `current`.
    pub(super) fn command(&mut self, current: usize, line: &str) -> Said {
        let mut said = Said { text: String::new(), quits: false };
        match line.trim() {
            "system_reset" | "reset" => self.reset(),
            "quit" | "q" => said.quits = true,
            looking => {
                said.text = self.inspect(current, |view| monitor::execute(view, looking));
                if matches!(looking, "help" | "?") {
                    said.text.push_str(HELP);
                }
            }
        }
        said
    }
}
