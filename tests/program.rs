//! Programs for tests, made here byte by byte: an ELF writer that can be told to write nonsense,
//! a few hand-encoded instructions, and a way to run the real command on the result.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// First byte of RAM, where programs are put.
pub(crate) const RAM: u64 = 0x8000_0000;
/// The serial port.
pub(crate) const UART: u64 = 0x1000_0000;
/// The test finisher.
pub(crate) const FINISHER: u64 = 0x10_0000;
/// Where [`Elf::code`] puts the symbols `tohost` and `fromhost`, in a segment of their own.
pub(crate) const TOHOST: u64 = RAM + 0x1000;
pub(crate) const FROMHOST: u64 = TOHOST + 64;

/// Program headers: load, interpreter.
pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_INTERP: u32 = 3;

/// Segment flags.
pub(crate) const X: u32 = 1;
pub(crate) const W: u32 = 2;
pub(crate) const R: u32 = 4;

/// One program header, and the bytes that it speaks of.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) virt: u64,
    pub(crate) phys: u64,
    pub(crate) bytes: Vec<u8>,
    /// Size in memory; of the bytes where it is `None`.
    pub(crate) memory_bytes: Option<u64>,
}

impl Segment {
    pub(crate) fn load(at: u64, flags: u32, bytes: Vec<u8>) -> Self {
        Self { kind: PT_LOAD, flags, virt: at, phys: at, bytes, memory_bytes: None }
    }
}

/// An ELF file to be. What a test wants wrong, it sets wrong.
#[derive(Clone, Debug)]
pub(crate) struct Elf {
    pub(crate) class: u8,
    pub(crate) data: u8,
    pub(crate) kind: u16,
    pub(crate) machine: u16,
    pub(crate) entry: u64,
    pub(crate) segments: Vec<Segment>,
    pub(crate) symbols: Vec<(&'static str, u64)>,
}

impl Elf {
    /// A sound program of these instructions, with an HTIF mailbox.
    pub(crate) fn code(insns: &[u32]) -> Self {
        let bytes = insns.iter().flat_map(|insn| insn.to_le_bytes()).collect();
        let mut mailbox = Segment::load(TOHOST, R | W, Vec::new());
        mailbox.memory_bytes = Some(0x80);
        Self {
            class: 2,
            data: 1,
            kind: 2,
            machine: 243,
            entry: RAM,
            segments: vec![Segment::load(RAM, R | X, bytes), mailbox],
            symbols: vec![("_start", RAM), ("tohost", TOHOST), ("fromhost", FROMHOST)],
        }
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let headers = 64 + 56 * self.segments.len();
        let mut content = Vec::new();
        let mut program_headers = Vec::new();
        for segment in &self.segments {
            let file_bytes = segment.bytes.len() as u64;
            program_headers.extend(segment.kind.to_le_bytes());
            program_headers.extend(segment.flags.to_le_bytes());
            let memory_bytes = segment.memory_bytes.unwrap_or(file_bytes);
            let offset = (headers + content.len()) as u64;
            for word in [offset, segment.virt, segment.phys, file_bytes, memory_bytes, 1] {
                program_headers.extend(word.to_le_bytes());
            }
            content.extend(&segment.bytes);
        }
        let (tables, section_headers) = self.sections((headers + content.len()) as u64);
        let section_headers_at = headers + content.len() + tables.len();
        let mut file = vec![0x7f, b'E', b'L', b'F', self.class, self.data, 1];
        file.resize(16, 0);
        file.extend(self.kind.to_le_bytes());
        file.extend(self.machine.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        for word in [self.entry, 64, section_headers_at as u64] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0u32.to_le_bytes());
        for half in [64, 56, self.segments.len() as u16, 64, 3, 2] {
            file.extend(half.to_le_bytes());
        }
        [file, program_headers, content, tables, section_headers].concat()
    }

    /// Symbol table and names, which begin at `offset`, and the headers of their sections; the
    /// names of symbols and sections are the same table.
    fn sections(&self, offset: u64) -> (Vec<u8>, Vec<u8>) {
        let mut names = b"\0".to_vec();
        let mut table = vec![0; 24];
        for (name, at) in &self.symbols {
            table.extend((names.len() as u32).to_le_bytes());
            table.extend([0x10, 0]);
            table.extend(0xfff1_u16.to_le_bytes());
            table.extend(at.to_le_bytes());
            table.extend(0u64.to_le_bytes());
            names.extend(name.bytes().chain([0]));
        }
        let mut headers = vec![0; 64];
        let names_at = offset + table.len() as u64;
        for (kind, at, len, link, entry) in
            [(2_u32, offset, table.len(), 2_u32, 24_u64), (3, names_at, names.len(), 0, 0)]
        {
            headers.extend([0, kind].iter().flat_map(|word| word.to_le_bytes()));
            for word in [0, 0, at, len as u64] {
                headers.extend(word.to_le_bytes());
            }
            headers.extend([link, 0].iter().flat_map(|word| word.to_le_bytes()));
            headers.extend([8, entry].iter().flat_map(|word| word.to_le_bytes()));
        }
        ([table, names].concat(), headers)
    }
}

/// Instructions, encoded by hand so that they owe nothing to the table under test.
pub(crate) mod asm {
    /// `lui rd, value`: the low 12 bits of `value` are not used.
    pub(crate) fn lui(rd: u32, value: u64) -> u32 {
        value as u32 & 0xffff_f000 | rd << 7 | 0x37
    }

    pub(crate) fn addi(rd: u32, rs1: u32, imm: i32) -> u32 {
        (imm as u32) << 20 | rs1 << 15 | rd << 7 | 0x13
    }

    pub(crate) fn slli(rd: u32, rs1: u32, shamt: u32) -> u32 {
        shamt << 20 | rs1 << 15 | 1 << 12 | rd << 7 | 0x13
    }

    /// A store of `1 << width` bytes.
    fn store(width: u32, rs2: u32, rs1: u32, imm: u32) -> u32 {
        imm >> 5 << 25 | rs2 << 20 | rs1 << 15 | width << 12 | (imm & 31) << 7 | 0x23
    }

    pub(crate) fn sb(rs2: u32, rs1: u32) -> u32 {
        store(0, rs2, rs1, 0)
    }

    pub(crate) fn sw(rs2: u32, rs1: u32) -> u32 {
        store(2, rs2, rs1, 0)
    }

    pub(crate) fn sd(rs2: u32, rs1: u32) -> u32 {
        store(3, rs2, rs1, 0)
    }

    pub(crate) fn lbu(rd: u32, rs1: u32, imm: u32) -> u32 {
        imm << 20 | rs1 << 15 | 4 << 12 | rd << 7 | 0x03
    }

    pub(crate) fn lw(rd: u32, rs1: u32) -> u32 {
        rs1 << 15 | 2 << 12 | rd << 7 | 0x03
    }

    pub(crate) fn amoadd_w(rd: u32, rs2: u32, rs1: u32) -> u32 {
        rs2 << 20 | rs1 << 15 | 2 << 12 | rd << 7 | 0x2f
    }

    pub(crate) fn jalr(rd: u32, rs1: u32) -> u32 {
        rs1 << 15 | rd << 7 | 0x67
    }

    pub(crate) fn ld(rd: u32, rs1: u32) -> u32 {
        rs1 << 15 | 3 << 12 | rd << 7 | 0x03
    }

    /// `csrw csr, rs1`
    pub(crate) fn csrw(csr: u32, rs1: u32) -> u32 {
        csr << 20 | rs1 << 15 | 1 << 12 | 0x73
    }

    /// `csrr rd, csr`
    pub(crate) fn csrr(rd: u32, csr: u32) -> u32 {
        csr << 20 | 2 << 12 | rd << 7 | 0x73
    }

    pub(crate) fn andi(rd: u32, rs1: u32, imm: u32) -> u32 {
        imm << 20 | rs1 << 15 | 7 << 12 | rd << 7 | 0x13
    }

    /// `beqz rs1`, to a place this many instructions away.
    pub(crate) fn beqz(rs1: u32, insns: i32) -> u32 {
        let imm = (4 * insns) as u32;
        let high = (imm >> 12 & 1) << 31 | (imm >> 5 & 0x3f) << 25;
        high | rs1 << 15 | (imm >> 1 & 0xf) << 8 | (imm >> 11 & 1) << 7 | 0x63
    }

    /// A fence over translations: 9 for `sfence.vma`, 11 for `sinval.vma`.
    pub(crate) fn fence(funct7: u32, rs1: u32, rs2: u32) -> u32 {
        funct7 << 25 | rs2 << 20 | rs1 << 15 | 0x73
    }

    pub(crate) fn add(rd: u32, rs1: u32, rs2: u32) -> u32 {
        rs2 << 20 | rs1 << 15 | rd << 7 | 0x33
    }

    pub(crate) const ECALL: u32 = 0x73;
    pub(crate) const MRET: u32 = 0x3020_0073;
    pub(crate) const SRET: u32 = 0x1020_0073;

    /// `j .`
    pub(crate) const SPIN: u32 = 0x6f;
    pub(crate) const WFI: u32 = 0x1050_0073;

    pub(crate) fn srli(rd: u32, rs1: u32, shamt: u32) -> u32 {
        shamt << 20 | rs1 << 15 | 5 << 12 | rd << 7 | 0x13
    }

    /// `rd = value`, for a value of 32 bits.
    pub(crate) fn li(rd: u32, value: u64) -> Vec<u32> {
        assert_eq!(value >> 32, 0);
        let low = (value as i32) << 20 >> 20;
        let high = value.wrapping_sub(low as u64);
        // Shifting up and down again clears what lui has sign-extended.
        vec![lui(rd, high), addi(rd, rd, low), slli(rd, rd, 32), srli(rd, rd, 32)]
    }
}

/// Ends with `tohost = value`.
pub(crate) fn to_host(value: u64) -> Vec<u32> {
    use asm::{SPIN, li, sd};
    [li(6, TOHOST), li(5, value), vec![sd(5, 6), SPIN]].concat()
}

/// Ends with the value of register `rs` as the exit code.
pub(crate) fn exit_with(rs: u32) -> Vec<u32> {
    use asm::{SPIN, addi, li, sd, slli};
    [li(6, TOHOST), vec![slli(5, rs, 1), addi(5, 5, 1), sd(5, 6), SPIN]].concat()
}

/// Prints `text` on the serial port.
pub(crate) fn print(text: &str) -> Vec<u32> {
    use asm::{addi, li, sb};
    let bytes = text.bytes().flat_map(|byte| [addi(5, 0, byte.into()), sb(5, 6)]);
    li(6, UART).into_iter().chain(bytes).collect()
}

/// Files of one test, removed with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pagewalk-test-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file; yields its path.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The command under test, without input.
pub(crate) fn pagewalk() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    command.stdin(Stdio::null()).env_remove("PAGEWALK_LOG").env_remove("RUST_LOG");
    command
}

/// What a command has said and how it has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}
