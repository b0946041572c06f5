//! [`BootOptions`]: what the kernel's command line asks for. `kernel/boot.rs` obeys.

/// Where the descriptors of the first process lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdio {
    /// To the console.
    #[default]
    Console,
    /// To virtio-console ports by name (`stdio=ports`).
    Ports,
}

/// The options, borrowed from the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootOptions<'a> {
    /// Path of the first process.
    pub init: &'a [u8],
    /// File with its arguments, each ended by a zero byte.
    pub arguments_file: Option<&'a [u8]>,
    /// File with its environment, likewise.
    pub environment_file: Option<&'a [u8]>,
    /// What stands behind the word `--`: words that are more of its arguments.
    pub arguments: &'a [u8],
    /// Its descriptors.
    pub stdio: Stdio,
    /// Every disk that has the header of a swap area is used before the first process runs, which
    /// otherwise sees to that itself (`swapon`).
    pub uses_swap: bool,
    /// Lines of the log more urgent than this reach the console.
    pub console_level: u8,
    /// The kernel tests itself, in this respect or, where it is empty, in all that end well, and
    /// ends the machine.
    pub selftest: Option<&'a [u8]>,
}

/// Lines up to "info" are shown.
const DEFAULT_CONSOLE_LEVEL: u8 = 7;
/// Only warnings and errors are shown.
const QUIET_CONSOLE_LEVEL: u8 = 5;

impl Default for BootOptions<'_> {
    fn default() -> Self {
        Self {
            init: b"/init",
            arguments_file: None,
            environment_file: None,
            arguments: b"",
            stdio: Stdio::Console,
            uses_swap: false,
            console_level: DEFAULT_CONSOLE_LEVEL,
            selftest: None,
        }
    }
}

impl<'a> BootOptions<'a> {
    /// Reads a command line: words between blanks, up to `--`; the last one of a kind counts. Calls
    /// `unknown` with each word that means nothing here.
    pub fn parse(line: &'a [u8], mut unknown: impl FnMut(&'a [u8])) -> Self {
        let mut options = Self::default();
        let mut left = line;
        while let Some((word, rest)) = first_word(left) {
            left = rest;
            if word == b"--" {
                options.arguments = rest;
                break;
            }
            if options.take(word).is_none() {
                unknown(word);
            }
        }
        options
    }

    /// The words of [`arguments`](Self::arguments).
    pub fn arguments(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut left = self.arguments;
        core::iter::from_fn(move || {
            let (word, rest) = first_word(left)?;
            left = rest;
            Some(word)
        })
    }

    fn take(&mut self, word: &'a [u8]) -> Option<()> {
        let equals = word.iter().position(|byte| *byte == b'=');
        let (key, value) = match equals {
            Some(at) => (&word[..at], &word[at + 1..]),
            None => (word, &b""[..]),
        };
        match (key, value) {
            (b"init", path) if !path.is_empty() => self.init = path,
            (b"init.args", path) if !path.is_empty() => self.arguments_file = Some(path),
            (b"init.env", path) if !path.is_empty() => self.environment_file = Some(path),
            (b"console", b"ttyS0") => {}
            (b"stdio", b"console") => self.stdio = Stdio::Console,
            (b"stdio", b"ports") => self.stdio = Stdio::Ports,
            (b"swapon", b"") => self.uses_swap = true,
            (b"quiet", b"") => self.console_level = QUIET_CONSOLE_LEVEL,
            (b"loglevel", [digit @ b'0'..=b'8']) => self.console_level = digit - b'0',
            (b"selftest", which) => self.selftest = Some(which),
            _ => return None,
        }
        Some(())
    }
}

/// The first word of a line, and what is behind it.
fn first_word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii_start();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    (end > 0).then(|| line.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_options() {
        let default = BootOptions::default();
        for (line, want, want_unknown) in [
            (&b""[..], default, &[][..]),
            (b" console=ttyS0  stdio=console ", default, &[]),
            (b"init=/bin/sh", BootOptions { init: b"/bin/sh", ..default }, &[]),
            (b"swapon", BootOptions { uses_swap: true, ..default }, &[]),
            (b"quiet", BootOptions { console_level: 5, ..default }, &[]),
            (b"quiet loglevel=8", BootOptions { console_level: 8, ..default }, &[]),
            (
                b"stdio=ports\tselftest",
                BootOptions { stdio: Stdio::Ports, selftest: Some(b""), ..default },
                &[],
            ),
            (
                b"init.args=/a init.env=/e=f",
                BootOptions {
                    arguments_file: Some(b"/a"),
                    environment_file: Some(b"/e=f"),
                    ..default
                },
                &[],
            ),
            (
                b"root=/dev/vda init= loglevel=9 x",
                default,
                &[&b"root=/dev/vda"[..], b"init=", b"loglevel=9", b"x"],
            ),
        ] {
            let mut unknown = Vec::new();
            assert_eq!(BootOptions::parse(line, |word| unknown.push(word)), want);
            assert_eq!(unknown, want_unknown);
        }
    }

    #[test]
    fn words_behind_two_hyphens_are_arguments() {
        for (line, init, want, want_unknown) in [
            (&b"init=/a -- x  -y"[..], b"/a", &[&b"x"[..], b"-y"][..], 0),
            (b"z init=/a --  init=/b -- ", b"/a", &[b"init=/b", b"--"], 1),
            (b"init=/a --", b"/a", &[], 0),
            (b"init=/a --x", b"/a", &[], 1),
        ] {
            let mut unknown = 0;
            let options = BootOptions::parse(line, |_| unknown += 1);
            assert_eq!((options.init, unknown), (&init[..], want_unknown));
            assert_eq!(options.arguments().collect::<Vec<_>>(), want);
        }
    }
}
