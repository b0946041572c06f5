//! The command as its users meet it: exit codes, what goes to standard output and what to standard
//! error, options, the test runner.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Instant;

use crate::program::asm::{self, SPIN, WFI, andi, beqz, lbu, li, sb, sw};
use crate::program::{
    Elf, Ended, FINISHER, Scratch, UART, exit_with, pagewalk, print, run, to_host,
};

/// Runs the program of these instructions with these options before it.
fn run_program(options: &[&str], insns: &[u32]) -> Ended {
    let scratch = Scratch::new();
    let path = scratch.file("program", &Elf::code(insns).bytes());
    run(pagewalk().args(options).arg(path))
}

fn finish(value: u64) -> Vec<u32> {
    [li(6, FINISHER), li(5, value), vec![sw(5, 6), SPIN]].concat()
}

#[test]
fn exit_codes() {
    for (insns, code) in [
        (to_host(1), 0),
        (to_host(3), 1),
        (to_host(7 << 1 | 1), 7),
        (to_host(1337 << 1 | 1), 1337 & 0xff),
        (to_host(256 << 1 | 1), 255),
        (finish(0x5555), 0),
        (finish(5 << 16 | 0x3333), 5),
        (finish(0x3333), 1),
    ] {
        let ended = run_program(&[], &insns);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    }
}

#[test]
fn output_is_the_consoles_alone() {
    let insns = [print("hello, world\n"), print("no newline"), to_host(1)].concat();
    let ended = run_program(&["--max-insns", "100000"], &insns);
    let expect = Ended {
        code: Some(0),
        stdout: "hello, world\nno newline".to_owned(),
        stderr: String::new(),
    };
    assert_eq!(ended, expect);
}

#[test]
fn lost_output_ends_the_run() {
    // Prints for ever.
    let insns = [print("x"), vec![sb(5, 6), beqz(0, -1)]].concat();
    let scratch = Scratch::new();
    let program = scratch.file("program", &Elf::code(&insns).bytes());
    let mut command = pagewalk();
    command.args(["--timeout", "60"]).arg(&program);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((&first, output.status.code()), (b"xxxxxxxxxx", Some(125)));
    assert_eq!(output.stderr, b"", "who closes a pipe knows");
}

#[test]
fn input_reaches_the_serial_port() {
    // Echo each byte until one is zero.
    let poll = vec![lbu(7, 6, 5), andi(7, 7, 1), beqz(7, -2), lbu(5, 6, 0), beqz(5, 3), sb(5, 6)];
    let back = beqz(0, -(poll.len() as i32));
    let insns = [li(6, UART), poll, vec![back], to_host(1)].concat();
    let scratch = Scratch::new();
    let program = scratch.file("echo", &Elf::code(&insns).bytes());
    let input = scratch.file("input", b"from a file\0");
    let mut command = pagewalk();
    command.stdin(std::fs::File::open(input).unwrap()).args(["--timeout", "60"]).arg(&program);
    let ended = run(&mut command);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "from a file"));

    let mut command = pagewalk();
    command.args(["--timeout", "60"]).arg(&program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"through a pipe\0").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(0), b"through a pipe".as_slice())
    );
}

#[test]
fn limits_end_a_run() {
    let begin = Instant::now();
    for (options, insns, code, says) in [
        (["--max-insns", "1000"], vec![SPIN], 120, "instruction limit reached after 1000"),
        (["--timeout", "0.2"], vec![SPIN], 124, "time limit reached after"),
        // Without a trap vector a fault goes to address 0, where there is nothing.
        (["--timeout", "60"], vec![0], 121, "trap loop after 0 instructions"),
        (["--timeout", "60"], vec![WFI, SPIN], 122, "asleep after 1 instructions"),
    ] {
        let ended = run_program(&options, &insns);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
        // What the program has come to by itself is explained on a screen.
        let is_screen =
            ended.stderr.contains("\ncause:  ") && ended.stderr.contains("\nlast traps");
        assert_eq!(is_screen, matches!(code, 121 | 122), "{}", ended.stderr);
        assert!(is_screen || ended.stderr.lines().count() == 1, "{}", ended.stderr);
    }
    assert!(begin.elapsed().as_secs() < 50, "no limit was reached by waiting for another");
}

#[test]
fn limits_name_the_place() {
    let ended = run_program(&["--max-insns", "1000"], &[asm::addi(0, 0, 0), SPIN]);
    assert!(ended.stderr.contains("pc 0x0000000080000004 <_start+0x4>"), "{}", ended.stderr);
}

#[test]
fn any_path_names_a_program() {
    use std::os::unix::ffi::OsStringExt;
    let scratch = Scratch::new();
    let program = scratch.file("program", &Elf::code(&to_host(1)).bytes());
    let odd = scratch.path().join(std::ffi::OsString::from_vec(b"\xff\xfe".to_vec()));
    std::fs::rename(program, &odd).unwrap();
    let output = pagewalk().arg(&odd).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // Without a directory before it, the name is all there is.
    let mut command = pagewalk();
    let output =
        command.current_dir(scratch.path()).arg(odd.file_name().unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn memory_that_the_host_lacks_is_refused() {
    let scratch = Scratch::new();
    let resets = scratch.file("resets", &Elf::code(&finish(0x7777)).bytes());
    let limited = |kib: u64| {
        let mut shell = std::process::Command::new("sh");
        let script = format!("ulimit -v {kib} && exec \"$0\" -m 1G --max-insns 100 \"$1\"");
        shell.args(["-c", &script]).arg(pagewalk().get_program()).arg(&resets);
        run(shell.stdin(Stdio::null()))
    };
    let ended = limited(512 << 10);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("the host has no 1073741824 bytes for RAM"), "{ended:?}");
    // Room for RAM, but not for that of the machine before a reset and that after it.
    let ended = limited(1700 << 10);
    assert_eq!(ended.code, Some(120), "{ended:?}");
}

#[test]
fn reset_starts_again() {
    // The flag is the word after the code's page: RAM is cleared by a reset, so count in UART's
    // scratch register would vanish too; only the output shows that the program ran again.
    let insns = [print("again "), finish(0x7777)].concat();
    let ended = run_program(&["--max-insns", "200"], &insns);
    assert_eq!(ended.code, Some(120));
    assert!(ended.stdout.starts_with("again again again "), "{ended:?}");
}

#[test]
fn qemus_spellings() {
    let scratch = Scratch::new();
    let path = scratch.file("program", &Elf::code(&to_host(5 << 1 | 1)).bytes());
    let qemu = "-machine virt -cpu rv64 -bios none -m 64M -smp 1 -nographic -kernel";
    let ended = run(pagewalk().args(qemu.split(' ')).arg(&path));
    assert_eq!(ended.code, Some(5), "{ended:?}");
    // Later options win, as Makefiles that add to a list expect.
    let later = "-smp 3 -m 12 -smp 1 -m 64M -nographic -display none -nographic -kernel";
    let ended = run(pagewalk().args(later.split(' ')).arg(&path));
    assert_eq!(ended.code, Some(5), "{ended:?}");
}

#[test]
fn devices_are_where_they_were_put() {
    const VERSION: u64 = 4;
    const DEVICE_ID: u64 = 8;
    const SECTORS: u64 = 0x100;
    let scratch = Scratch::new();
    scratch.file("fs.img", &[0; 1024]);
    let xv6 = "-machine virt -bios none -m 128M -smp 3 -nographic \
               -global virtio-mmio.force-legacy=false \
               -drive file=fs.img,if=none,format=raw,id=x0 \
               -device virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0 -kernel";
    let console = "-device virtio-serial-device -chardev null,id=c -device virtconsole,chardev=c";
    for (options, slot, register, value) in [
        (xv6, 0, DEVICE_ID, 2),
        (xv6, 0, VERSION, 2),
        (xv6, 7, DEVICE_ID, 0),
        ("-drive file=fs.img,if=virtio,snapshot=on", 7, VERSION, 1),
        ("-drive file=fs.img,if=virtio,readonly=on", 7, DEVICE_ID, 2),
        ("-device virtio-rng-device", 7, DEVICE_ID, 4),
        ("-device virtio-rng-device -seed 1", 7, DEVICE_ID, 4),
        (console, 7, DEVICE_ID, 3),
        ("-swap 64K", 7, DEVICE_ID, 2),
        ("-swap 64K -disk-latency hdd -drive file=fs.img,if=virtio", 7, SECTORS, 128),
        ("-swap 64K -drive file=fs.img,if=virtio,latency=1ms,,2us", 6, SECTORS, 2),
    ] {
        let at = 0x1000_1000 + 0x1000 * slot + register;
        let insns = [li(6, at), vec![asm::lw(10, 6)], exit_with(10)].concat();
        let path = scratch.file("program", &Elf::code(&insns).bytes());
        let mut command = pagewalk();
        let ended = run(command.current_dir(scratch.path()).args(options.split(' ')).arg(path));
        assert_eq!(ended.code, Some(value), "{options}, slot {slot}, {register}: {ended:?}");
    }
}

#[test]
fn a_reboot_can_be_the_end() {
    let insns = [print("once"), finish(0x7777)].concat();
    let ended = run_program(&["-no-reboot"], &insns);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "once"), "{ended:?}");
}

#[test]
fn the_console_can_be_a_file() {
    let scratch = Scratch::new();
    let path = scratch.file("program", &Elf::code(&[print("text"), to_host(1)].concat()).bytes());
    for (name, options) in [
        ("a.log", vec!["-serial", "file:a.log"]),
        ("b.log", vec!["-chardev", "file,id=c,path=b.log", "-serial", "chardev:c"]),
        ("", vec!["-serial", "none"]),
    ] {
        let ended = run(pagewalk().current_dir(scratch.path()).args(&options).arg(&path));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{options:?}: {ended:?}");
        if !name.is_empty() {
            assert_eq!(std::fs::read(scratch.path().join(name)).unwrap(), b"text", "{options:?}");
        }
    }
}

#[test]
fn wrong_usage_is_explained() {
    for (line, says) in [
        ("--max-insn 5 x", "a similar argument exists: '--max-insns'"),
        ("-netdev user x", "QEMU's option -netdev is not supported: pagewalk does not have a net"),
        ("-drvie file=x x", "a similar argument exists: '--drive'"),
        ("-drive file=x x", "-drive file=x: no device uses it"),
        ("-drive file=x,fromat=raw x", "did you mean `format`?"),
        ("-drive file=x,latency=slow x", "`slow` is no latency: expected none, ssd, hdd, or TIME"),
        ("-disk-latency 5 x", "`5` is no latency"),
        ("-disk-errors read=1 x", "`read=1`: expected K/N"),
        ("-disk-errors cut=1,drive=d x", "--disk-errors cut=1,drive=d: no drive is called `d`"),
        ("-swap 1K x", "a disk for swapping has between 64K and 64G"),
        ("-device virtio-blk-device,drive=d x", "drive=d: no -drive has id=d"),
        ("-device virtio-rng x", "no device is called `virtio-rng`"),
        ("-drive file=/nonexistent/d,if=virtio /dev/null", "/dev/null: the file is empty"),
        ("-global virtio-blk.x=y x", "(there is virtio-mmio.force-legacy)"),
        ("-serial vc x", "`vc` is not supported: expected mon:stdio"),
        ("-monitor stdio x", "standard input is already used by the serial port"),
        ("-rtc base=noon x", "`base=noon` is no time"),
        ("-gdb 1234 x", "expected tcp:[HOST]:PORT"),
        ("-S x", "-S: nobody could start the machine; add -s or -gdb ADDRESS"),
        ("-d everything x", "unknown log item"),
        ("-clock sundial x", "possible values: insn, warp, host"),
        ("-bios none", "nothing to run: FILE or -kernel FILE is missing"),
        ("-bios fw.bin -append x", "-append is for a kernel, and there is none"),
        ("-machine spike x", "invalid value 'spike' for '--machine <NAME>'"),
        ("-cpu rv64,zbx=off x", "unknown extension `zbx`; did you mean"),
        ("-m 12Q x", "\"12Q\" is no size"),
        ("-smp 65 x", "at most 64 is possible"),
        ("--timeout soon x", "expected a number of seconds"),
        ("-kernel x y", "cannot be used with"),
        ("/nonexistent/x", "cannot read /nonexistent/x: No such file"),
        ("/", "cannot read /: Is a directory"),
        ("test /nonexistent/x", "cannot read /nonexistent/x: No such file"),
        ("test", "required arguments were not provided"),
    ] {
        let ended = run(pagewalk().args(line.split(' ')));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{line}: {ended:?}");
        assert!(ended.stderr.contains(says), "{line}: {}", ended.stderr);
    }
}

#[test]
fn arguments_need_an_operating_system() {
    let scratch = Scratch::new();
    let path = scratch.file("program", &Elf::code(&to_host(1)).bytes());
    let ended = run(pagewalk().arg(&path).args(["-m", "1G"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("takes no arguments, but `-m` is given"), "{}", ended.stderr);
}

#[test]
fn help_and_version() {
    let own = env!("CARGO_PKG_VERSION");
    for (option, begins, contains) in [
        // xv6's Makefile takes the version from such a line, and looks for -gdb among options.
        ("--version", "QEMU emulator version 7.2.", "\nrv64imafdc_"),
        ("-version", "QEMU emulator version 7.2.", own),
        ("-V", &format!("pagewalk {own}\n"), ""),
        ("-help", "pagewalk", "\n-gdb ADDRESS"),
        ("--help", "Runs RISC-V", "pagewalk run --help"),
        ("-h", "Runs RISC-V", "pagewalk run --help"),
    ] {
        let ended = run(pagewalk().arg(option));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{option}");
        assert!(ended.stdout.starts_with(begins), "{option}: {}", ended.stdout);
        assert!(ended.stdout.contains(contains), "{option}: {}", ended.stdout);
    }
    for (verb, says) in [("run", "--log-commits"), ("test", "--filter"), ("disasm", "FILE")] {
        let help = run(pagewalk().args([verb, "--help"]));
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains(says), "{}", help.stdout);
    }
}

/// A directory with two tests that pass, two that fail, and three files that are no tests.
fn suite() -> Scratch {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path().join("sub")).unwrap();
    for (name, insns) in [
        ("a-pass", to_host(1)),
        ("b-fail", to_host(11 << 1 | 1)),
        ("sub/c-pass", finish(0x5555)),
        ("sub/d-spin", vec![SPIN]),
    ] {
        scratch.file(name, &Elf::code(&insns).bytes());
    }
    let mut user = Elf::code(&[SPIN]);
    user.entry = 0x1_0000;
    user.segments.truncate(1);
    (user.segments[0].virt, user.segments[0].phys) = (0x1_0000, 0x1_0000);
    scratch.file("linux", &user.bytes());
    scratch.file("a-pass.dump", b"text");
    scratch.file("empty", b"");
    scratch
}

#[test]
fn tests_are_judged() {
    let scratch = suite();
    let mut command = pagewalk();
    let ended = run(command.args(["test", "--max-insns", "1000"]).arg(scratch.path()));
    let at = scratch.path().display();
    let expect = format!(
        "FAILED {at}/b-fail: test 11 failed\n\
         FAILED {at}/sub/d-spin: instruction limit reached after 1000\n\
         2 passed, 2 failed, 3 other files skipped\n"
    );
    assert_eq!(ended, Ended { code: Some(1), stdout: expect, stderr: String::new() });
}

#[test]
fn tests_are_filtered() {
    let scratch = suite();
    for (filter, code, stdout, stderr) in [
        ("pass", 0, "2 passed, 0 failed", ""),
        ("b-fail", 1, "0 passed, 1 failed", ""),
        ("nothing", 2, "", "nothing to test"),
    ] {
        let ended = run(pagewalk().args(["test", "--filter", filter]).arg(scratch.path()));
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stdout.contains(stdout), "{ended:?}");
        assert!(ended.stderr.contains(stderr), "{ended:?}");
    }
}

#[test]
fn tests_are_reported_as_json() {
    let scratch = suite();
    let mut command = pagewalk();
    command.args(["test", "--json", "--max-insns", "1000"]);
    let ended = run(command.arg(scratch.path()));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&report["passed"], &report["failed"], &report["skipped"]),
        (&2.into(), &2.into(), &3.into())
    );
    let failed = &report["tests"][1];
    assert_eq!((&failed["outcome"], &failed["code"]), (&"failed".into(), &11.into()));
    assert!(failed["path"].as_str().unwrap().ends_with("b-fail"));
}

#[test]
fn a_named_test_must_be_one() {
    let scratch = suite();
    for (name, says) in [("empty", "the file is empty"), ("linux", "Linux user program")] {
        let ended = run(pagewalk().arg("test").arg(scratch.path().join(name)));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stdout.contains(says), "{ended:?}");
    }
}

#[test]
fn disassembly_has_labels() {
    let scratch = Scratch::new();
    let path = scratch.file("program", &Elf::code(&[0x0000_0513, SPIN]).bytes());
    let ended = run(pagewalk().arg("disasm").arg(&path));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains("0000000080000000 <_start>:\n80000000:\t00000513"), "{ended:?}");
    assert_eq!(ended.stdout.lines().filter(|line| line.contains(":\t")).count(), 2);
}
