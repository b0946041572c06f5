//! Programs for Linux, and no program at all, on the command line: what boots then, which streams
//! are whose, and what is said where it cannot be. A few instructions stand in for the guest
//! operating system; `linux_programs.rs` has the real one.

use std::process::Command;

use crate::program::asm::{SPIN, li, sw};
use crate::program::{
    Elf, Ended, FINISHER, PT_INTERP, R, Scratch, Segment, X, pagewalk, print, run,
};

/// What the stand-in for the guest ends with.
const CODE: i32 = 9;

/// A guest that says `kernel` on the serial port and powers off.
fn guest(scratch: &Scratch) -> Command {
    let off = [li(6, FINISHER), li(5, (CODE as u64) << 16 | 0x3333), vec![sw(5, 6), SPIN]];
    let insns = [print("kernel\n"), off.concat()].concat();
    scratch.file("kernel", &Elf::code(&insns).bytes());
    scratch.file("initramfs.cpio", b"0707");
    let mut pagewalk = pagewalk();
    pagewalk.env("PAGEWALK_GUEST", scratch.path()).args(["--timeout", "60"]);
    pagewalk
}

/// A program for Linux; with a name in it, one that asks for that interpreter.
fn program(scratch: &Scratch, interpreter: Option<&str>) -> std::path::PathBuf {
    let mut elf = Elf::code(&[]);
    elf.segments = vec![Segment::load(0x1_0000, R | X, vec![0x13, 0, 0, 0])];
    (elf.entry, elf.symbols) = (0x1_0000, Vec::new());
    if let Some(name) = interpreter {
        let bytes = [name.as_bytes(), &[0]].concat();
        elf.segments.push(Segment { kind: PT_INTERP, ..Segment::load(0x1_1000, R, bytes) });
    }
    scratch.file("program", &elf.bytes())
}

fn ended(stdout: &str, stderr: &str) -> Ended {
    Ended { code: Some(CODE), stdout: stdout.to_owned(), stderr: stderr.to_owned() }
}

/// Checks that a command is refused, with these words.
fn refused(command: &mut Command, says: &str) {
    let Ended { code, stdout, stderr } = run(command);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{command:?}: {stderr}");
    assert!(stderr.contains(says), "{command:?}: {stderr}");
}

#[test]
fn a_program_boots_the_guest_whose_messages_are_no_output() {
    let scratch = Scratch::new();
    let path = program(&scratch, None);
    let command = |options: &[&str], arguments: &[&str]| {
        let mut command = guest(&scratch);
        command.args(options).arg(&path).args(arguments);
        command
    };
    for (options, arguments, stderr) in [
        (&[][..], &[][..], "kernel\n"),
        (&[], &["-n", "--help", "", "a b"], "kernel\n"),
        (&["-m", "64M", "-smp", "4", "-append", "x"], &[], "kernel\n"),
        (&["--env", "A=1", "--env", "HOME", "--env-all"], &["x"], "kernel\n"),
        (&["-serial", "none"], &[], ""),
        (&["-device", "virtio-rng-device", "-monitor", "none"], &[], "kernel\n"),
    ] {
        let run = run(&mut command(options, arguments));
        assert_eq!(run, ended("", stderr), "{options:?}");
    }
    let rngs = ["-device", "virtio-rng-device"].repeat(8);
    for (options, says) in [
        (&["-serial", "stdio"][..], "standard input is already used by the program"),
        (&["-serial", "mon:stdio"], "standard input is already used by the program"),
        (&["--root", "/no/such/directory"], "cannot read /no/such/directory"),
        (&rngs, "no virtio slot is left for the program's standard streams"),
        (&["-kernel"], "Linux user program"),
        (&["-bios", "none"], "Linux user program"),
    ] {
        refused(&mut command(options, &[]), says);
    }
}

#[test]
fn without_a_program_the_guest_has_the_console() {
    let scratch = Scratch::new();
    let run = |options: &[&str]| run(guest(&scratch).args(options));
    assert_eq!(run(&[]), ended("kernel\n", ""));
    assert_eq!(run(&["-m", "64M", "-append", "quiet", "-nographic"]), ended("kernel\n", ""));
    let root = scratch.path().to_str().unwrap();
    assert_eq!(run(&["--root", root]), ended("kernel\n", ""));
    refused(guest(&scratch).args(["--env", "A=1"]), "--env is for programs for Linux");
}

#[test]
fn a_dynamic_program_needs_its_linker() {
    let scratch = Scratch::new();
    let path = program(&scratch, Some("/lib/ld.so"));
    refused(guest(&scratch).arg(&path), "the program asks for the interpreter /lib/ld.so");
    let root = scratch.path().join("root");
    std::fs::create_dir_all(root.join("lib")).unwrap();
    refused(guest(&scratch).arg("--root").arg(&root).arg(&path), "/lib/ld.so");
    std::fs::write(root.join("lib/ld.so"), "").unwrap();
    let run = run(guest(&scratch).arg("--root").arg(&root).arg(&path));
    assert_eq!(run, ended("", "kernel\n"));
}

#[test]
fn options_for_programs_are_for_programs() {
    let scratch = Scratch::new();
    let bare = scratch.file("bare", &Elf::code(&print("x")).bytes());
    for (option, value) in [("--root", "."), ("--env", "A=1")] {
        refused(
            pagewalk().args([option, value]).arg(&bare),
            "is for programs for Linux, which this",
        );
    }
    refused(pagewalk().arg("--env-all").arg(&bare), "--env-all is for programs for Linux");
    let mut missing = pagewalk();
    missing.env("PAGEWALK_GUEST", scratch.path()).arg(program(&scratch, None));
    refused(&mut missing, "cannot read");
}
