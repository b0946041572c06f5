//! [`BootOptions`]: what the kernel's command line asks for. `kernel/boot.rs` obeys.

/// The first process among the initial files.
pub const INITIAL_INIT: &[u8] = b"/init";
/// The first process on a root of its own, where none is named: the first of these that is there,
/// as on Linux.
pub const ROOT_INITS: [&[u8]; 4] = [b"/sbin/init", b"/etc/init", b"/bin/init", b"/bin/sh"];

/// Where the descriptors of the first process lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdio {
    /// To the console.
    #[default]
    Console,
    /// To virtio-console ports by name (`stdio=ports`).
    Ports,
}

/// A disk with the root of all files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root<'a> {
    /// Path of its node among the initial files.
    pub device: &'a [u8],
    /// What kinds of file system it may hold, with commas between them; `None`: any.
    pub kinds: Option<&'a [u8]>,
    /// Whether it is only read: unless told otherwise, as on Linux.
    pub is_read_only: bool,
}

impl Root<'_> {
    /// Whether it may hold a file system of this kind.
    pub fn may_be(&self, kind: &[u8]) -> bool {
        self.kinds.is_none_or(|kinds| kinds.split(|byte| *byte == b',').any(|one| one == kind))
    }
}

/// The options, borrowed from the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootOptions<'a> {
    /// Path of the first process, where one is given.
    pub init: Option<&'a [u8]>,
    /// The disk that holds the root of all files; it is mounted by the first process, or by the
    /// kernel where the initial files have none.
    pub root: Option<Root<'a>>,
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
            init: None,
            root: None,
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
        let mut root = Root { device: b"", kinds: None, is_read_only: true };
        let mut left = line;
        while let Some((word, rest)) = first_word(left) {
            left = rest;
            if word == b"--" {
                options.arguments = rest;
                break;
            }
            if options.take(word).or_else(|| root.take(word)).is_none() {
                unknown(word);
            }
        }
        options.root = (!root.device.is_empty()).then_some(root);
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
        match key_and_value(word) {
            (b"init", path) if !path.is_empty() => self.init = Some(path),
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

impl<'a> Root<'a> {
    fn take(&mut self, word: &'a [u8]) -> Option<()> {
        match key_and_value(word) {
            (b"root", path) if !path.is_empty() => self.device = path,
            (b"rootfstype", kinds) if !kinds.is_empty() => self.kinds = Some(kinds),
            (b"ro", b"") => self.is_read_only = true,
            (b"rw", b"") => self.is_read_only = false,
            _ => return None,
        }
        Some(())
    }
}

/// Both sides of the first equals sign of a word; a word without one is a key.
fn key_and_value(word: &[u8]) -> (&[u8], &[u8]) {
    match word.iter().position(|byte| *byte == b'=') {
        Some(at) => (&word[..at], &word[at + 1..]),
        None => (word, &b""[..]),
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

    const ROOT: Root<'static> = Root { device: b"/dev/vda", kinds: None, is_read_only: true };

    #[test]
    fn a_root_may_be_of_any_kind_or_of_those_named() {
        for (kinds, want) in [
            (None, true),
            (Some(&b"ext2"[..]), true),
            (Some(b"ext4,ext2"), true),
            (Some(b"ext4"), false),
            (Some(b"ext23"), false),
        ] {
            assert_eq!(Root { kinds, ..ROOT }.may_be(b"ext2"), want, "{kinds:?}");
        }
    }

    #[test]
    fn words_are_options() {
        let default = BootOptions::default();
        for (line, want, want_unknown) in [
            (&b""[..], default, &[][..]),
            (b" console=ttyS0  stdio=console ", default, &[]),
            (b"init=/bin/sh", BootOptions { init: Some(b"/bin/sh"), ..default }, &[]),
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
            (b"root=/dev/vda", BootOptions { root: Some(ROOT), ..default }, &[]),
            (
                b"ro rootfstype=ext4,ext2 root=/dev/vdb rw",
                BootOptions {
                    root: Some(Root {
                        device: b"/dev/vdb",
                        kinds: Some(b"ext4,ext2"),
                        is_read_only: false,
                    }),
                    ..default
                },
                &[],
            ),
            (b"rw rootfstype=ext2", default, &[]),
            (
                b"root= init= loglevel=9 x rootfstype= rw=1",
                default,
                &[&b"root="[..], b"init=", b"loglevel=9", b"x", b"rootfstype=", b"rw=1"],
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
            assert_eq!((options.init, unknown), (Some(&init[..]), want_unknown));
            assert_eq!(options.arguments().collect::<Vec<_>>(), want);
        }
    }
}
