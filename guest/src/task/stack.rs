//! [`Arguments`] and [`StackImage`]: what a new program finds on its stack.
//!
//! From the stack pointer upwards: argc, pointers to arguments, 0, pointers to the environment, 0,
//! the auxiliary vector, random bytes, then the strings (System V ABI, "Initial Stack and Register
//! State"; the order of the strings is Linux's). The kernel writes both parts.

use alloc::vec::Vec;

use linux_raw_sys::auxvec;

use crate::PAGE_SIZE_BYTES;
use crate::errno::Errno;

/// Limit of one string with its 0: Linux's `MAX_ARG_STRLEN`.
pub const STRING_MAX_BYTES: usize = 32 * PAGE_SIZE_BYTES as usize;
/// Least that all strings and pointers may take, however small the stack: Linux's `ARG_MAX`.
const TOTAL_MIN_BYTES: u64 = 128 << 10;
/// Most that they may take, however large the stack.
const TOTAL_MAX_BYTES: u64 = 6 << 20;
/// Zeros at the very top of the stack.
const TOP_BYTES: u64 = 8;
/// Bytes behind AT_RANDOM.
pub const RANDOM_BYTES: usize = 16;
/// Alignment of the stack pointer.
const ALIGN_BYTES: u64 = 16;

/// How much arguments and environment may take with a stack of at most `stack_bytes`.
pub const fn arguments_max_bytes(stack_bytes: u64) -> u64 {
    let quarter = stack_bytes / 4;
    if quarter < TOTAL_MIN_BYTES {
        TOTAL_MIN_BYTES
    } else if quarter > TOTAL_MAX_BYTES {
        TOTAL_MAX_BYTES
    } else {
        quarter
    }
}

/// Arguments, environment and the program's path, each string ended by 0, as they will lie at the
/// top of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    strings: Vec<u8>,
    arguments: usize,
    environment: usize,
    environment_at: usize,
    path_at: usize,
    max_bytes: u64,
}

impl Arguments {
    /// None yet; together with their pointers they may take `max_bytes`.
    pub fn new(max_bytes: u64) -> Self {
        Self { max_bytes, ..Self::default() }
    }

    /// Room that is left for a string with its 0 and its pointer.
    pub fn room_bytes(&self) -> usize {
        let pointers = 8 * (self.arguments + self.environment + 1) as u64;
        let used = self.strings.len() as u64 + pointers;
        let left = usize::try_from(self.max_bytes.saturating_sub(used)).unwrap_or(usize::MAX);
        left.min(STRING_MAX_BYTES)
    }

    fn push(&mut self, string: &[u8]) -> Result<(), Errno> {
        if string.len() >= self.room_bytes() {
            return Err(Errno::E2BIG);
        }
        self.strings.try_reserve(string.len() + 1).map_err(|_| Errno::ENOMEM)?;
        self.strings.extend_from_slice(string);
        self.strings.push(0);
        Ok(())
    }

    /// One more argument; all come before the environment.
    ///
    /// # Errors
    /// E2BIG, ENOMEM.
    pub fn push_argument(&mut self, string: &[u8]) -> Result<(), Errno> {
        assert!(self.environment == 0, "arguments come first");
        self.push(string)?;
        self.arguments += 1;
        self.environment_at = self.strings.len();
        Ok(())
    }

    /// One more variable.
    ///
    /// # Errors
    /// E2BIG, ENOMEM.
    pub fn push_variable(&mut self, string: &[u8]) -> Result<(), Errno> {
        self.push(string)?;
        self.environment += 1;
        Ok(())
    }

    /// The path under which the program was found, behind everything else.
    ///
    /// # Errors
    /// E2BIG, ENOMEM.
    pub fn set_path(&mut self, path: &[u8]) -> Result<(), Errno> {
        self.path_at = self.strings.len();
        self.push(path)
    }

    /// Puts other arguments in place of the first one: how a script gets its interpreter.
    ///
    /// # Errors
    /// E2BIG, ENOMEM.
    pub fn replace_first(&mut self, with: &[&[u8]]) -> Result<(), Errno> {
        let mut new = Self::new(self.max_bytes);
        for string in with {
            new.push_argument(string)?;
        }
        let first = usize::from(self.arguments != 0);
        for string in self.iter(0).take(self.arguments).skip(first) {
            new.push_argument(string)?;
        }
        for string in self.iter(self.environment_at).take(self.environment) {
            new.push_variable(string)?;
        }
        *self = new;
        Ok(())
    }

    /// How many arguments there are.
    pub fn count(&self) -> usize {
        self.arguments
    }

    fn iter(&self, from: usize) -> impl Iterator<Item = &[u8]> {
        self.strings[from..].split(|byte| *byte == 0)
    }

    /// Offsets at which `count` strings from offset `from` on begin.
    fn offsets(&self, from: usize, count: usize) -> impl Iterator<Item = u64> {
        let lengths = self.iter(from).take(count);
        lengths.scan(from, |next, string| {
            let at = *next;
            *next += string.len() + 1;
            Some(at as u64)
        })
    }
}

/// What the auxiliary vector says besides what the stack itself knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auxiliary {
    /// Where the program headers lie in memory, and how many there are.
    pub headers: (u64, u16),
    /// Where the program begins.
    pub entry: u64,
    /// What the addresses of its interpreter differ by from those in that file; 0: it has none.
    pub interpreter_bias: u64,
    /// uid, euid, gid, egid.
    pub ids: [u32; 4],
    /// Bit `n` is the extension with letter `b'a' + n`.
    pub extensions: u64,
    /// Ticks of `times` in a second.
    pub ticks_per_s: u64,
    /// Least stack that takes a signal frame.
    pub signal_stack_bytes: u64,
    /// The page of code that the kernel lends, as an ELF file; 0: none.
    pub vdso: u64,
    /// For AT_RANDOM.
    pub random: [u8; RANDOM_BYTES],
}

/// A stack as a program finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackImage {
    /// The stack pointer, and address of `words`.
    pub pointer: u64,
    /// From there on, up to the strings.
    pub words: Vec<u8>,
    /// Where the strings begin.
    pub strings_at: u64,
    /// They.
    pub strings: Vec<u8>,
    /// Where arguments and environment lie: (start, end) each.
    pub areas: [(u64, u64); 2],
}

impl StackImage {
    /// Lays it out below `top`, which is aligned.
    pub fn new(top: u64, arguments: Arguments, auxiliary: &Auxiliary) -> Self {
        let strings_at = top - TOP_BYTES - arguments.strings.len() as u64;
        let random_at = (strings_at - RANDOM_BYTES as u64) / ALIGN_BYTES * ALIGN_BYTES;
        let environment_at = strings_at + arguments.environment_at as u64;
        let path_at = strings_at + arguments.path_at as u64;
        let vector = vector(auxiliary, random_at, path_at);
        let pointers = 1 + arguments.arguments + 1 + arguments.environment + 1;
        let bytes = 8 * (pointers + 2 * vector.len()) as u64;
        let pointer = (random_at - bytes) / ALIGN_BYTES * ALIGN_BYTES;

        let mut words = Vec::with_capacity((strings_at - pointer) as usize);
        let mut push = |word: u64| words.extend_from_slice(&word.to_le_bytes());
        push(arguments.arguments as u64);
        for (from, count) in
            [(0, arguments.arguments), (arguments.environment_at, arguments.environment)]
        {
            arguments.offsets(from, count).for_each(|offset| push(strings_at + offset));
            push(0);
        }
        for (key, value) in vector {
            push(u64::from(key));
            push(value);
        }
        words.resize((random_at - pointer) as usize, 0);
        words.extend_from_slice(&auxiliary.random);
        Self {
            pointer,
            words,
            strings_at,
            areas: [(strings_at, environment_at), (environment_at, path_at)],
            strings: arguments.strings,
        }
    }
}

/// The auxiliary vector, its end included.
fn vector(auxiliary: &Auxiliary, random_at: u64, path_at: u64) -> Vec<(u32, u64)> {
    let [uid, euid, gid, egid] = auxiliary.ids.map(u64::from);
    let (headers, count) = auxiliary.headers;
    let mut vector = Vec::with_capacity(20);
    if auxiliary.vdso != 0 {
        vector.push((auxvec::AT_SYSINFO_EHDR, auxiliary.vdso));
    }
    vector.extend_from_slice(&[
        (auxvec::AT_MINSIGSTKSZ, auxiliary.signal_stack_bytes),
        (auxvec::AT_HWCAP, auxiliary.extensions),
        (auxvec::AT_PAGESZ, PAGE_SIZE_BYTES),
        (auxvec::AT_CLKTCK, auxiliary.ticks_per_s),
        (auxvec::AT_PHDR, headers),
        (auxvec::AT_PHENT, super::elf::ENTRY_BYTES as u64),
        (auxvec::AT_PHNUM, u64::from(count)),
        (auxvec::AT_BASE, auxiliary.interpreter_bias),
        (auxvec::AT_FLAGS, 0),
        (auxvec::AT_ENTRY, auxiliary.entry),
        (auxvec::AT_UID, uid),
        (auxvec::AT_EUID, euid),
        (auxvec::AT_GID, gid),
        (auxvec::AT_EGID, egid),
        (auxvec::AT_SECURE, u64::from(uid != euid || gid != egid)),
        (auxvec::AT_RANDOM, random_at),
        (auxvec::AT_EXECFN, path_at),
        (auxvec::AT_NULL, 0),
    ]);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: u64 = 0x3f_ffff_0000;

    fn word(image: &StackImage, index: usize) -> u64 {
        let bytes = image.words[8 * index..8 * index + 8].try_into().unwrap();
        u64::from_le_bytes(bytes)
    }

    fn string(image: &StackImage, at: u64) -> &[u8] {
        let from = usize::try_from(at - image.strings_at).unwrap();
        image.strings[from..].split(|byte| *byte == 0).next().unwrap()
    }

    fn arguments(arguments: &[&[u8]], environment: &[&[u8]]) -> Arguments {
        let mut found = Arguments::new(1 << 20);
        arguments.iter().for_each(|string| found.push_argument(string).unwrap());
        environment.iter().for_each(|string| found.push_variable(string).unwrap());
        found.set_path(b"/bin/prog").unwrap();
        found
    }

    #[test]
    fn a_program_finds_its_arguments() {
        for (argv, envp) in [
            (&[b"prog".as_slice(), b"", b"two words"][..], &[b"A=1".as_slice(), b"B="][..]),
            (&[], &[]),
            (&[b"x"], &[]),
            (&[], &[b"y"]),
        ] {
            let auxiliary = Auxiliary {
                entry: 0x10078,
                random: *b"0123456789abcdef",
                ids: [1, 2, 3, 3],
                ..Auxiliary::default()
            };
            let image = StackImage::new(TOP, arguments(argv, envp), &auxiliary);
            assert_eq!(image.pointer % 16, 0);
            assert!(image.pointer + image.words.len() as u64 <= image.strings_at);
            assert_eq!(image.strings_at + image.strings.len() as u64 + 8, TOP);
            assert_eq!(word(&image, 0), argv.len() as u64);
            let mut at = 1;
            for list in [argv, envp] {
                for want in list {
                    assert_eq!(string(&image, word(&image, at)), *want);
                    at += 1;
                }
                assert_eq!(word(&image, at), 0);
                at += 1;
            }
            let mut found = std::collections::HashMap::new();
            while word(&image, at) != 0 {
                found.insert(word(&image, at) as u32, word(&image, at + 1));
                at += 2;
            }
            assert_eq!(string(&image, found[&auxvec::AT_EXECFN]), b"/bin/prog");
            assert_eq!((found[&auxvec::AT_ENTRY], found[&auxvec::AT_SECURE]), (0x10078, 1));
            let random = (found[&auxvec::AT_RANDOM] - image.pointer) as usize;
            assert_eq!(image.words[random..random + 16], auxiliary.random);
            assert!(!found.contains_key(&auxvec::AT_SYSINFO_EHDR));
            let [(start, middle), (again, end)] = image.areas;
            let length = |list: &[&[u8]]| list.iter().map(|s| s.len() as u64 + 1).sum::<u64>();
            assert_eq!((middle - start, end - again), (length(argv), length(envp)));
            assert_eq!((start, middle), (image.strings_at, again));
        }
    }

    #[test]
    fn too_much_is_refused() {
        let mut some = Arguments::new(100);
        assert_eq!(some.room_bytes(), 92);
        some.push_argument(&[b'x'; 40]).unwrap();
        assert_eq!(some.room_bytes(), 100 - 41 - 16);
        assert_eq!(some.push_argument(&[b'x'; 43]), Err(Errno::E2BIG));
        some.push_argument(&[b'x'; 42]).unwrap();
        assert_eq!(some.push_argument(b""), Err(Errno::E2BIG));
        let mut long = Arguments::new(6 << 20);
        assert_eq!(long.push_argument(&vec![b'x'; STRING_MAX_BYTES]), Err(Errno::E2BIG));
        long.push_argument(&vec![b'x'; STRING_MAX_BYTES - 1]).unwrap();
    }

    #[test]
    fn limits_follow_the_stack() {
        for (stack, limit) in
            [(0, 128 << 10), (8 << 20, 2 << 20), (u64::MAX, 6 << 20), (1 << 20, 256 << 10)]
        {
            assert_eq!(arguments_max_bytes(stack), limit);
        }
    }

    #[test]
    fn an_interpreter_takes_the_first_place() {
        let mut some = Arguments::new(1 << 20);
        for string in [b"script".as_slice(), b"one", b""] {
            some.push_argument(string).unwrap();
        }
        some.push_variable(b"V=1").unwrap();
        some.replace_first(&[b"/bin/sh", b"-e", b"/tmp/script"]).unwrap();
        let want: [&[u8]; 6] = [b"/bin/sh", b"-e", b"/tmp/script", b"one", b"", b"V=1"];
        assert_eq!(some.iter(0).take(6).collect::<Vec<_>>(), want);
        assert_eq!((some.count(), some.environment), (5, 1));
        let mut empty = Arguments::new(1 << 20);
        empty.push_variable(b"V=1").unwrap();
        empty.replace_first(&[b"/bin/sh", b"s"]).unwrap();
        assert_eq!((empty.count(), empty.environment), (2, 1));
    }
}
