//! Signals that end a run: the first one ends it cleanly, a second one at once. Others tell of the
//! terminal: that it is ours again, that its window has another size.

use std::io;
use std::thread;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::terminal;
use crate::machine::StopRequest;
use crate::machine::board::WindowSize;
use crate::machine::console::Control;

/// From now on signals ask through `control`, and `window` has the size of the terminal.
///
/// # Errors
/// Of the host, where handlers cannot be installed.
pub(super) fn watch(control: Control, window: WindowSize) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCONT, SIGWINCH])?;
    update(&window);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut is_asked = false;
        for signal in signals.forever() {
            if signal == SIGCONT {
                terminal::renew();
                update(&window);
            } else if signal == SIGWINCH {
                update(&window);
            } else if std::mem::replace(&mut is_asked, true) {
                terminal::restore();
                // Fails for signals that nobody asked for, and these were.
                let _never = emulate_default_handler(signal);
            } else {
                control.request(StopRequest::Signal(signal));
            }
        }
    })?;
    Ok(())
}

fn update(window: &WindowSize) {
    terminal::window_size().into_iter().for_each(|(columns, rows)| window.set(columns, rows));
}
