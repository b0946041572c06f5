//! How the standard streams of this process reach a program in the guest: as ports of a virtio
//! console, each a stream of bytes; or, where they are one terminal, as a port that the guest
//! makes a terminal of.

use std::io::{self, BufReader, IsTerminal};

use super::super::build::at_once;
use super::super::stdio::standard_input_file;
use crate::machine::board::{Kind, Port, WindowSize};
use crate::machine::console::{Console, Input};

/// What the standard streams are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Wiring {
    /// Streams of bytes.
    Streams,
    /// All of them a terminal.
    Terminal,
    /// A terminal, but for standard error.
    TerminalWithoutErrors,
}

/// Names by which the guest knows the ports.
const TERMINAL: &str = "tty";
const INPUT: &str = "stdin";
const OUTPUT: &str = "stdout";
const ERRORS: &str = "stderr";

impl Wiring {
    /// What the standard streams of this process are.
    pub(in super::super) fn of_this_process() -> Self {
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        match (is_terminal, io::stderr().is_terminal()) {
            (false, _) => Self::Streams,
            (true, true) => Self::Terminal,
            (true, false) => Self::TerminalWithoutErrors,
        }
    }

    /// Whether the program gets a terminal.
    pub(in super::super) fn is_terminal(self) -> bool {
        self != Self::Streams
    }

    /// The ports; a terminal's window has this size.
    pub(in super::super) fn ports(self, size: &WindowSize) -> Vec<Port> {
        let port = |number, name: &str, console| Port {
            number,
            kind: Kind::Serial,
            name: Some(name.to_owned()),
            console,
            hears_input: false,
            size: WindowSize::default(),
        };
        let output = || Console::new(at_once(io::stdout()));
        let errors = || port(3, ERRORS, Console::new(io::stderr()));
        if self == Self::Streams {
            let input = Port { hears_input: true, ..port(1, INPUT, Console::new(io::sink())) };
            return vec![input, port(2, OUTPUT, output()), errors()];
        }
        let (kind, size) = (Kind::Console, size.clone());
        let terminal = Port { kind, hears_input: true, size, ..port(0, TERMINAL, output()) };
        match self {
            Self::TerminalWithoutErrors => vec![terminal, errors()],
            _ => vec![terminal],
        }
    }

    /// What comes in. Nothing is read before the program asks: what it does not want is left to
    /// whoever reads the same input next.
    pub(in super::super) fn input() -> Input {
        Input::OnDemand(Some(Box::new(|| match standard_input_file() {
            Some(file) => Input::Prompt(Box::new(BufReader::new(file))),
            None => Input::live(io::stdin()),
        })))
    }
}
