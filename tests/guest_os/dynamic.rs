//! Debian's programs as they are in its packages, dynamically linked, on a disk that `scripts/disk`
//! makes: bash runs `dynamic.sh`, which prints what it does on Linux, as the first command on that
//! disk as root, with several harts and little RAM; somebody types to bash on the console, with job
//! control; `e2fsck` judges the disk afterwards. [`recorded`] holds what is kept of Linux's output
//! against Linux. Where the packages have not been fetched, these tests are skipped, and that is
//! said.

use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

use crate::files::{self, Image, run_tool};
use crate::operating_system::GUEST;
use crate::{MAX_INSNS, TIMEOUT_SECONDS, check, end_of, last_lines, run, sharing};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// What `scripts/disk` has fetched, below the target directory.
const FETCHED: &str = "programs/hello+bash+coreutils/packages";
/// What Linux's kernel needs, likewise.
const LINUX: &str = "linux";
/// What bash runs, on the disk, and what that prints on Linux.
const SCRIPT: &str = "/script";
const GOLDEN: &str = "tests/golden/linux/dynamic.txt";
/// What is not shown for this long does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Machines on which the script runs.
const MACHINES: [(&str, &[&str]); 6] = [
    ("harts1", &["-m", "64M", "-smp", "1"]),
    ("harts4", &["-m", "64M", "-smp", "4"]),
    ("svade-harts4", &["-m", "64M", "-smp", "4", "-cpu", "rv64,svade=on,svadu=off"]),
    ("asid0-harts4", &["-m", "64M", "-smp", "4", "--asid-bits", "0"]),
    ("little-ram", &["-m", "24M", "-smp", "1", "-swap", "64M"]),
    ("little-ram-harts4", &["-m", "24M", "-smp", "4", "-swap", "64M"]),
];

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target directory")
}

/// What is missing to run these tests.
pub(crate) fn missing() -> Option<String> {
    if let Some(tool) = files::missing() {
        return Some(format!("there is no {tool}"));
    }
    let is_fetched = target().join(FETCHED).exists();
    (!is_fetched)
        .then(|| "Debian's programs are not there; scripts/setup --peers fetches them".to_owned())
}

/// All of them.
pub(crate) fn trials() -> Vec<Trial> {
    let scripts = MACHINES.map(|(name, machine)| {
        Trial::test(format!("dynamic::{name}"), move || script(name, machine))
    });
    let others = [
        Trial::test("dynamic::typed", typed),
        Trial::test("dynamic::chroot", chroot),
        Trial::test("dynamic::only_disk", only_disk),
        Trial::test("dynamic::scenes", scenes),
        // It takes long: only when asked for.
        Trial::test("dynamic::recorded", recorded).with_ignored_flag(true),
    ];
    scripts.into_iter().chain(others).collect()
}

/// A disk with Debian's programs and the script.
fn disk(name: &str) -> Result<Image, Failed> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dynamic-{name}.img"));
    let mut make = Command::new(Path::new(ROOT).join("scripts/disk"));
    make.env("CARGO_TARGET_DIR", target()).arg(&path);
    let made = run(&mut make, &[])?;
    check(made.status.success(), || String::from_utf8_lossy(&made.stderr).into_owned())?;
    let image = Image::at(path);
    let source = Path::new(ROOT).join("tests/guest_os/dynamic.sh");
    let write = format!("write {} {SCRIPT}", source.display());
    run_tool("debugfs", &["-w", "-R", &write, &image.name()])?;
    Ok(image)
}

/// What is shown of sharing where such a disk is.
fn scenes() -> Result<(), Failed> {
    let image = disk("scenes")?;
    sharing::on_disk(&image)?;
    image.remove()
}

fn golden() -> PathBuf {
    Path::new(ROOT).join(GOLDEN)
}

/// The first line in which two texts differ.
fn compare(want: &str, got: &str) -> Result<(), Failed> {
    let same = want.lines().zip(got.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(end of text)").to_owned();
    check(want == got, || {
        format!("line {}:\n    expected {}\n    got      {}", same + 1, line(want), line(got))
    })
}

/// A machine with the guest and these options.
fn pagewalk(options: &[&str]) -> Result<Command, Failed> {
    let mut pagewalk = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    pagewalk.env("PAGEWALK_GUEST", GUEST.as_ref()?);
    pagewalk.args(["run", "-nographic", "--timeout", TIMEOUT_SECONDS]);
    pagewalk.args(["--max-insns", MAX_INSNS]).args(options);
    Ok(pagewalk)
}

/// The script prints what it does on Linux, and the disk is whole.
fn script(name: &str, machine: &[&str]) -> Result<(), Failed> {
    let image = disk(name)?;
    let (drive, append) = (image.drive(), format!("{AS_ROOT} -- {SCRIPT}"));
    let mut pagewalk = pagewalk(&[machine, &["-drive", &drive, "-append", &append]].concat())?;
    let output = run(&mut pagewalk, &[])?;
    check(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    compare(&fs::read_to_string(golden())?, &text)?;
    image.expect_clean()?;
    image.remove()
}

/// The disk is the root, and bash the first command on it.
const AS_ROOT: &str = "quiet root=/dev/vda rw init=/bin/bash";

/// A conversation with a machine.
struct Talk {
    child: Child,
    shown: Receiver<Vec<u8>>,
    screen: String,
}

impl Talk {
    fn begin(options: &[&str]) -> Result<Self, Failed> {
        let mut pagewalk = pagewalk(options)?;
        pagewalk.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = pagewalk.spawn()?;
        let mut reader = child.stdout.take().expect("piped");
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, shown, screen: String::new() })
    }

    /// Types keys, and waits for what they lead to.
    fn step(&mut self, keys: &str, expected: &str) -> Result<(), Failed> {
        self.screen.clear();
        self.child.stdin.as_mut().expect("piped").write_all(keys.as_bytes())?;
        let deadline = Instant::now() + PATIENCE;
        while !self.screen.contains(expected) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.shown.recv_timeout(left) else {
                self.child.kill()?;
                let screen = &self.screen;
                return Err(format!("{expected:?} did not come, but {screen:?}").into());
            };
            self.screen.push_str(&String::from_utf8_lossy(&bytes).replace('\r', ""));
        }
        Ok(())
    }

    fn end(mut self, code: i32) -> Result<(), Failed> {
        let status = self.child.wait()?;
        check(status.code() == Some(code), || format!("{status}"))
    }
}

/// Bash on the console: it edits lines, and keys stop and end what is in the foreground.
fn typed() -> Result<(), Failed> {
    let image = disk("typed")?;
    let drive = image.drive();
    let mut talk = Talk::begin(&["-m", "64M", "-smp", "2", "-drive", &drive, "-append", AS_ROOT])?;
    for (keys, expected) in [
        ("", "# "),
        ("PS1='> '\n", "\n> "),
        ("ls /usr/bin | wc -l > n; test $(cat n) -gt 100; echo code $?\n", "code 0\n"),
        ("for i in 1 2 3; do echo line $i | cat; done\n", "line 3\n"),
        ("cat <<END\nsum $((40 + 2))\nEND\n", "sum 42\n"),
        ("echo \"<$(hello)>\"\n", "<Hello, world!>\n"),
        // Typed wrongly, put right with keys, and typed no more.
        ("echp one\x02\x02\x02\x02\x08o\x05 two\n", "one two\n"),
        ("\x1b[A\n", "one two\n"),
        ("hell\t\n", "Hello, world!\n"),
        // A signal that comes before bash has become the program is lost.
        ("tr a-z A-Z\nruns\n", "RUNS\n"),
        ("\x03", "> "),
        ("echo code $?\n", "code 130\n"),
        ("tr a-z A-Z\nruns\n", "RUNS\n"),
        ("\x1a", "Stopped"),
        ("jobs; echo code $?\n", "code 0\n"),
        ("fg\n", "tr a-z A-Z\n"),
        ("there\n", "THERE\n"),
        ("\x04", "> "),
        ("sleep 1000 & kill $!; wait $!; echo code $?\n", "code 143\n"),
        ("exit 7\n", "exit"),
    ] {
        talk.step(keys, expected)?;
    }
    talk.end(7)?;
    image.expect_clean()?;
    image.remove()
}

/// A process for which the disk is the root, on the guest's own shell: the tools show the first page
/// of the C library's text of two such in one frame.
fn chroot() -> Result<(), Failed> {
    let image = disk("chroot")?;
    let drive = image.drive();
    let mut talk = Talk::begin(&["-m", "64M", "-smp", "2", "-drive", &drive, "-append", "quiet"])?;
    talk.step("", "# ")?;
    talk.step("mkdir /mnt; mount -t ext2 /dev/vda /mnt; echo mounted $?\n", "mounted 0\n")?;
    talk.step("chroot /mnt /bin/bash -c 'cd /usr; echo $((6 * 7)) in $(pwd)'\n", "42 in /usr\n")?;
    let mut frames = Vec::new();
    for name in ["one", "two"] {
        // The shell waits until the program sleeps: its libraries are there then.
        talk.step(&format!("chroot /mnt /bin/sleep 1000 & {name}=$!; sleep 1\n"), "# ")?;
        talk.step(&format!("cat /proc/${name}/maps; echo all $?\n"), "all 0\n")?;
        let is_text = |line: &&str| line.contains(" r-xp ") && line.ends_with("/libc.so.6");
        let line = talk.screen.lines().find(is_text).ok_or("the C library is not mapped")?;
        let (start, _) = line.split_once('-').ok_or("there is no range")?;
        let ask = format!("v2p ${name} 0x{start}; echo code $?\n");
        talk.step(&ask, "code 0\n")?;
        let (_, after) = talk.screen.split_once(" frame ").ok_or("there is no frame")?;
        frames.push(after.split(' ').next().map(str::to_owned));
    }
    check(frames[0] == frames[1], || format!("not the same frame: {frames:?}"))?;
    talk.step("umount /mnt; echo code $?\n", "code 32\n")?;
    talk.step("kill $one $two; wait; umount /mnt; echo code $?\n", "code 0\n")?;
    talk.step("cat /proc/sys/vm/audit | head -n 1; echo code $?\n", "ok\ncode 0\n")?;
    talk.step("exit\n", "exit")?;
    talk.end(0)?;
    image.expect_clean()?;
    image.remove()
}

/// The kernel alone, without initial files, mounts the disk itself, or says why not.
fn only_disk() -> Result<(), Failed> {
    let image = disk("only-disk")?;
    let (drive, kernel) = (image.drive(), GUEST.as_ref()?.join("kernel"));
    let kernel = kernel.display().to_string();
    for (append, code, wanted) in [
        ("root=/dev/vda rw init=/bin/bash -- -c hello", 0, "Hello, world!"),
        ("root=/dev/vda rootfstype=ext4,ext2 init=/bin/touch -- /file", 1, "Read-only file system"),
        ("root=/dev/vda rw -- -c tty", 0, "/dev/console"),
        ("root=/dev/vda rootfstype=ext4", PANIC, "cannot mount /dev/vda as root: ENODEV"),
        ("root=/dev/vdb", PANIC, "cannot mount /dev/vdb as root: ENOENT"),
        ("root=/dev/null", PANIC, "cannot mount /dev/null as root: ENOTBLK"),
        ("root=/dev/vda init=/none", PANIC, "cannot start /none: ENOENT"),
    ] {
        let append = format!("quiet {append}");
        let options = ["-kernel", &kernel, "-drive", &drive, "-append", &append];
        let output = end_of(&options, &[])?;
        let text = String::from_utf8_lossy(&output.stdout);
        let is_good = output.status.code() == Some(code) && text.contains(wanted);
        check(is_good, || format!("{append}: {}:\n{}", output.status, last_lines(&text)))?;
        image.expect_clean()?;
    }
    image.remove()
}

/// Exit code of a machine whose kernel panics.
const PANIC: i32 = 101;

/// The script on Linux, Debian's kernel, with the same disk: what it prints is what is kept, or is
/// written there.
fn recorded() -> Result<(), Failed> {
    let folder = target().join(LINUX);
    check(folder.join("packages").exists(), || "scripts/linux has fetched no kernel".to_owned())?;
    let image = disk("linux")?;
    let initrd = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dynamic-linux.gz");
    let mut pack = Command::new(Path::new(ROOT).join("scripts/linux.d/initramfs"));
    let packed = run(pack.arg(&folder).arg(&initrd), &[])?;
    check(packed.status.success(), || String::from_utf8_lossy(&packed.stderr).into_owned())?;
    let mut pagewalk = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    pagewalk.args(["run", "-nographic", "-no-reboot", "-m", "256M", "-smp", "2"]);
    pagewalk.args(["--timeout", TIMEOUT_SECONDS, "-drive", &image.drive()]);
    pagewalk.arg("-kernel").arg(folder.join("kernel")).arg("-initrd").arg(initrd);
    let append = format!("console=ttyS0 quiet panic=-1 pagewalk.script={SCRIPT}");
    let output = run(pagewalk.arg("-append").arg(append), &[])?;
    let console = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let after = console.split_once("script: begins\n").map(|(_, after)| after);
    let text = after.and_then(|after| after.split_once("script: ended with 0\n"));
    let (text, _) = text.ok_or_else(|| format!("it has not ended well:\n{console}"))?;
    if std::env::var_os("PAGEWALK_BLESS").is_some() {
        fs::write(golden(), text)?;
    }
    compare(text, &fs::read_to_string(golden())?)?;
    image.expect_clean()?;
    image.remove()
}
