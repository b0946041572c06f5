//! The host-target interface: a program writes a command to `tohost`, the host clears the word,
//! acts, and answers in `fromhost` when that is zero. Device 0 ends the run or asks for a system
//! call, device 1 is the console; the rest do not exist here.
//!
//! Source: riscv-tests (`env/`, `benchmarks/common/syscalls.c`) and the behaviour of Spike's host.

use std::collections::VecDeque;

use super::console::{Console, Input};
use super::elf::Mailbox;
use crate::addr::{PhysAddr, Width};
use crate::bus::{Ram, RamOffset};

/// Answers that may wait for `fromhost` to become zero; a program that asks on without reading
/// them loses the later ones.
const MAX_ANSWERS: usize = 64;

/// Bits of a command that say who is meant: device in the high byte, command in the next.
const ADDRESS_SHIFT: u32 = 48;
const PAYLOAD_MASK: u64 = (1 << ADDRESS_SHIFT) - 1;

/// Device 0, command 0: exit, or a system call.
const SYSCALL: u64 = 0x0000;
/// Device 1, command 0: answer with a byte of input.
const CONSOLE_READ: u64 = 0x0100;
/// Device 1, command 1: print a byte.
const CONSOLE_WRITE: u64 = 0x0101;
/// Set in the answer to [`CONSOLE_READ`] to tell a zero byte from no answer.
const CONSOLE_BYTE: u64 = 0x100;

/// System-call numbers and errors are those of Linux on riscv64.
const SYS_WRITE: u64 = 64;
const SYS_EXIT: u64 = 93;
const EBADF: i64 = 9;
const EFAULT: i64 = 14;
const ENOSYS: i64 = 38;

/// The words of a system-call request that are used: number, then arguments.
const REQUEST_WORDS: u64 = 8;

/// The host's end of the mailbox.
#[derive(Debug)]
pub(super) struct Htif {
    tohost: RamOffset,
    fromhost: Option<RamOffset>,
    answers: VecDeque<u64>,
    /// Console reads that no input has answered yet.
    reads: usize,
}

/// What the host has to act on.
pub(super) struct Host<'a> {
    pub(super) ram: &'a mut Ram,
    pub(super) console: &'a Console,
    pub(super) input: &'a mut Input,
}

impl Htif {
    /// The host's end of `mailbox`, whose words are in `ram`.
    pub(super) fn new(mailbox: Mailbox, ram: &Ram) -> Self {
        let word =
            |at: PhysAddr| ram.offset_of(at, 8).expect("the mailbox was checked against RAM");
        let (tohost, fromhost) = (word(mailbox.tohost), mailbox.fromhost.map(word));
        Self { tohost, fromhost, answers: VecDeque::new(), reads: 0 }
    }

    /// The word that the program writes.
    pub(super) fn tohost(&self) -> RamOffset {
        self.tohost
    }

    /// Acts on a command, if there is one, and delivers an answer, if there is room. Yields the
    /// exit code of a program that has ended.
    pub(super) fn service(&mut self, host: &mut Host<'_>) -> Option<u64> {
        let command = host.ram.load(self.tohost, Width::Double);
        if command != 0 {
            host.ram.store(self.tohost, Width::Double, 0);
            if let Some(code) = self.act(command, host) {
                return Some(code);
            }
        }
        while self.reads > 0
            && let Some(byte) = host.input.take()
        {
            self.reads -= 1;
            self.answer(CONSOLE_READ, CONSOLE_BYTE | u64::from(byte));
        }
        if let Some(fromhost) = self.fromhost
            && host.ram.load(fromhost, Width::Double) == 0
            && let Some(answer) = self.answers.pop_front()
        {
            host.ram.store(fromhost, Width::Double, answer);
        }
        None
    }

    fn act(&mut self, command: u64, host: &mut Host<'_>) -> Option<u64> {
        let payload = command & PAYLOAD_MASK;
        match command >> ADDRESS_SHIFT {
            SYSCALL if payload & 1 != 0 => return Some(payload >> 1),
            SYSCALL => {
                let code = system_call(PhysAddr(payload), host);
                if code.is_some() {
                    return code;
                }
                self.answer(SYSCALL, 1);
            }
            CONSOLE_READ if self.reads < MAX_ANSWERS => self.reads += 1,
            CONSOLE_WRITE => host.console.print(&[payload as u8]),
            _ => log::warn!("htif: command {command:#x} means nothing here, ignored"),
        }
        None
    }

    fn answer(&mut self, address: u64, payload: u64) {
        if self.answers.len() < MAX_ANSWERS {
            self.answers.push_back(address << ADDRESS_SHIFT | payload);
        } else {
            log::warn!("htif: an answer is lost, {MAX_ANSWERS} have not been read");
        }
    }
}

/// Performs the system call whose number and arguments are the words at `request`; the result
/// goes where the number was. Yields the code of an exit.
fn system_call(request: PhysAddr, host: &mut Host<'_>) -> Option<u64> {
    let Some(words) = host.ram.offset_of(request, 8 * REQUEST_WORDS) else {
        log::warn!("htif: a system call's arguments are said to be at {request}, outside RAM");
        return None;
    };
    let word = |index: u64| host.ram.load(RamOffset(words.0 + 8 * index), Width::Double);
    let result = match word(0) {
        SYS_EXIT => return Some(word(1)),
        SYS_WRITE => write(word(1), PhysAddr(word(2)), word(3), host),
        other => {
            log::warn!("htif: system call {other} is not one of write and exit");
            -ENOSYS
        }
    };
    host.ram.store(words, Width::Double, result as u64);
    None
}

/// Standard output and standard error are both the console.
fn write(fd: u64, from: PhysAddr, len_bytes: u64, host: &mut Host<'_>) -> i64 {
    if fd != 1 && fd != 2 {
        return -EBADF;
    }
    let Some(at) = host.ram.offset_of(from, len_bytes) else { return -EFAULT };
    host.console.print(host.ram.slice(at, len_bytes));
    len_bytes as i64
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    struct Sent(Sender<u8>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            bytes.iter().for_each(|byte| self.0.send(*byte).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const BASE: u64 = 0x8000_0000;
    const TOHOST: u64 = 0x100;
    const FROMHOST: u64 = 0x140;
    const REQUEST: u64 = 0x200;

    struct Bench {
        htif: Htif,
        ram: Ram,
        console: Console,
        output: Receiver<u8>,
        input: Input,
    }

    impl Bench {
        fn new(input: &[u8]) -> Self {
            let ram = Ram::new(PhysAddr(BASE), 0x1000);
            let at = |offset| PhysAddr(BASE + offset);
            let mailbox = Mailbox { tohost: at(TOHOST), fromhost: Some(at(FROMHOST)) };
            let input = Input::Bytes(input.iter().copied().collect());
            let (sender, output) = channel();
            let htif = Htif::new(mailbox, &ram);
            Self { htif, ram, console: Console::new(Sent(sender)), output, input }
        }

        fn printed(&self) -> Vec<u8> {
            self.output.try_iter().collect()
        }

        fn word(&self, at: u64) -> u64 {
            self.ram.load(RamOffset(at), Width::Double)
        }

        fn set(&mut self, at: u64, words: &[u64]) {
            for (index, word) in words.iter().enumerate() {
                self.ram.store(RamOffset(at + 8 * index as u64), Width::Double, *word);
            }
        }

        /// Writes a command; yields the exit code and what `fromhost` then holds.
        fn command(&mut self, command: u64) -> (Option<u64>, u64) {
            self.set(TOHOST, &[command]);
            let Self { htif, ram, console, input, .. } = self;
            let code = htif.service(&mut Host { ram, console, input });
            assert_eq!(self.word(TOHOST), 0, "the command is acknowledged");
            (code, self.word(FROMHOST))
        }
    }

    #[test]
    fn exit_codes() {
        for (command, code) in
            [(1, 0), (3, 1), (1337 << 1 | 1, 1337), (PAYLOAD_MASK, (1 << 47) - 1)]
        {
            assert_eq!(Bench::new(b"").command(command), (Some(code), 0), "{command:#x}");
        }
    }

    #[test]
    fn console() {
        let mut bench = Bench::new(b"\0z");
        bench.command(0x0101_0000_0000_0041);
        bench.command(0x0101_0000_0000_1142);
        assert_eq!(bench.printed(), b"AB");
        assert_eq!(bench.command(0x0100 << 48), (None, 0x0100_0000_0000_0100));
        assert_eq!(bench.command(0x0100 << 48), (None, 0x0100_0000_0000_0100), "not read yet");
        bench.set(FROMHOST, &[0]);
        assert_eq!(bench.command(0), (None, 0x0100_0000_0000_017a), "the queued answer");
        bench.set(FROMHOST, &[0]);
        assert_eq!(bench.command(0x0100 << 48), (None, 0), "no input, no answer");
        bench.input = Input::Bytes([b'q'].into());
        assert_eq!(bench.command(0), (None, 0x0100_0000_0000_0171));
    }

    #[test]
    fn system_calls() {
        let error = |errno: i64| (-errno) as u64;
        for (request, output, result) in [
            ([64, 1, BASE + 0x300, 5], "hello", 5),
            ([64, 2, BASE + 0x301, 2], "el", 2),
            ([64, 1, BASE + 0x1000, 0], "", error(EFAULT)),
            ([64, 1, BASE + 0xfff, 2], "", error(EFAULT)),
            ([64, 1, BASE + 0x300, u64::MAX], "", error(EFAULT)),
            ([64, 0, BASE + 0x300, 5], "", error(EBADF)),
            ([57, 1, 0, 0], "", error(ENOSYS)),
        ] {
            let mut bench = Bench::new(b"");
            bench.ram.write(RamOffset(0x300), b"hello");
            bench.set(REQUEST, &request);
            assert_eq!(bench.command(BASE + REQUEST), (None, 1), "{request:x?}");
            assert_eq!(bench.printed(), output.as_bytes(), "{request:x?}");
            assert_eq!(bench.word(REQUEST), result, "{request:x?}");
        }
        let mut bench = Bench::new(b"");
        bench.set(REQUEST, &[93, 7]);
        assert_eq!(bench.command(BASE + REQUEST), (Some(7), 0));
    }

    #[test]
    fn nonsense_changes_nothing() {
        for command in [BASE + 0xff8, 0x7fff_ffff_fff0, 0xff, 0x0102 << 48, 0xffff << 48] {
            let mut bench = Bench::new(b"");
            let (code, _) = bench.command(command & !1);
            assert_eq!((code, bench.printed()), (None, Vec::new()), "{command:#x}");
        }
    }

    #[test]
    fn unread_answers_are_bounded() {
        let mut bench = Bench::new(&[1; 4 * MAX_ANSWERS]);
        for _ in 0..3 * MAX_ANSWERS {
            bench.command(0x0100 << 48);
        }
        assert_eq!(bench.htif.answers.len(), MAX_ANSWERS);
    }
}
