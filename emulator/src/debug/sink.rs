//! [`Sink`]: lines on their way to a file or a terminal, handed on in large pieces. Commit log and
//! trace write through it; what fails is remembered, so that a run ends before it is reported.

use std::fmt;
use std::io::{self, Write};

/// Text is handed to the writer in pieces of about this size.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// A writer, and the text that it does not have yet.
pub(super) struct Sink<W> {
    out: W,
    text: Vec<u8>,
    /// The first failure to write; nothing is written after it.
    failure: Option<io::Error>,
}

impl<W: Write> Sink<W> {
    /// Lines go to `out`, which need not be buffered.
    pub(super) fn new(out: W) -> Self {
        Self { out, text: Vec::with_capacity(2 * BUFFER_BYTES), failure: None }
    }

    /// Where a line is put together.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Ends a line.
    pub(super) fn end_line(&mut self) {
        self.text.push(b'\n');
        if self.text.len() >= BUFFER_BYTES {
            self.hand_on();
        }
    }

    /// Adds a line.
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        self.text.write_fmt(line).expect("a vector takes everything");
        self.end_line();
    }

    /// Gives the writer all there is.
    pub(super) fn hand_on(&mut self) {
        if self.failure.is_none() {
            self.failure = self.out.write_all(&self.text).err();
        }
        self.text.clear();
    }

    /// Gives the writer all there is, and asks it to do the same.
    ///
    /// # Errors
    /// The first failure since the last call.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.hand_on();
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.out.flush(),
        }
    }
}

impl<W> fmt::Debug for Sink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Sink");
        debug.field("held_bytes", &self.text.len()).field("failure", &self.failure);
        debug.finish_non_exhaustive()
    }
}
