//! Files on disks: images that `mke2fs` makes, `e2fsck` judges and `debugfs` reads, and the guest's own
//! tests of files between them, with several harts and little RAM; also where the power is cut. Where
//! those tools are missing, these tests are skipped, and that is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};

use crate::{boot, check, end_of, last_lines, output};

/// Programs of e2fsprogs that are needed.
const TOOLS: [&str; 3] = ["mke2fs", "e2fsck", "debugfs"];
/// Where they are on some systems, though not on the path.
const SBIN: [&str; 2] = ["/usr/sbin", "/sbin"];
/// Exit status of e2fsck that says that it has repaired everything.
const REPAIRED: i32 = 1;

/// The path of a tool.
fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(SBIN.map(PathBuf::from));
    places.map(|place| place.join(name)).find(|path| path.is_file())
}

/// What is missing to run these tests.
pub(crate) fn missing() -> Option<&'static str> {
    TOOLS.into_iter().find(|name| tool(name).is_none())
}

/// Runs a tool to its end.
pub(crate) fn run_tool(name: &str, arguments: &[&str]) -> Result<Output, Failed> {
    let path = tool(name).ok_or_else(|| format!("{name} is missing"))?;
    Ok(Command::new(path).args(arguments).output()?)
}

/// An image with a file system.
pub(crate) struct Image {
    path: PathBuf,
}

/// What the file `rand` of each image holds.
fn content() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..300_000).map(|_| next()).collect()
}

impl Image {
    /// One that is there.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Removes the file, which is large, when all has gone well.
    pub(crate) fn remove(self) -> Result<(), Failed> {
        Ok(fs::remove_file(self.path)?)
    }

    /// An ext2 file system with a few files.
    fn new(name: &str, block_bytes: &str, size: &str) -> Result<Self, Failed> {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let source = place.join(format!("{name}.d"));
        fs::create_dir_all(source.join("inner"))?;
        fs::write(source.join("rand"), content())?;
        fs::write(source.join("inner/hello"), "hello\n")?;
        let path = place.join(format!("{name}.img"));
        // What a run before this one has left.
        let _ = fs::remove_file(&path);
        let image = Self { path };
        let from = source.display().to_string();
        let options =
            ["-q", "-F", "-t", "ext2", "-b", block_bytes, "-d", &from, &image.name(), size];
        let made = run_tool("mke2fs", &options)?;
        check(made.status.success(), || String::from_utf8_lossy(&made.stderr).into_owned())?;
        Ok(image)
    }

    /// Its path.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The option that makes it a disk.
    pub(crate) fn drive(&self) -> String {
        format!("file={},if=virtio", self.name())
    }

    /// e2fsck finds nothing.
    pub(crate) fn expect_clean(&self) -> Result<(), Failed> {
        let Output { status, stdout, .. } = run_tool("e2fsck", &["-fn", &self.name()])?;
        let report = String::from_utf8_lossy(&stdout);
        check(status.success(), || format!("e2fsck: {}", last_lines(&report)))
    }

    /// e2fsck repairs all that it finds, and then finds nothing.
    fn repair(&self, how: &str) -> Result<(), Failed> {
        let repaired = run_tool("e2fsck", &[how, &self.name()])?;
        let report = String::from_utf8_lossy(&repaired.stdout).into_owned();
        let code = repaired.status.code();
        let is_whole = code.is_some_and(|code| code <= REPAIRED);
        check(is_whole, || format!("e2fsck {how}: {code:?}: {report}"))?;
        self.expect_clean()
    }

    /// What a file on it holds.
    fn read(&self, file: &str) -> Result<Vec<u8>, Failed> {
        Ok(run_tool("debugfs", &["-R", &format!("cat {file}"), &self.name()])?.stdout)
    }

    fn expect(&self, file: &str, want: &[u8]) -> Result<(), Failed> {
        let found = self.read(file)?;
        let lengths = (found.len(), want.len());
        check(found == want, || format!("{file} on the disk has other content: {lengths:?} bytes"))
    }
}

/// A machine for the tests of files.
struct Variant {
    name: &'static str,
    block_bytes: &'static str,
    options: &'static [&'static str],
}

const VARIANTS: [Variant; 5] = [
    Variant { name: "harts1", block_bytes: "1024", options: &["-m", "64M", "-smp", "1"] },
    Variant { name: "harts4", block_bytes: "4096", options: &["-m", "64M", "-smp", "4"] },
    Variant {
        name: "little-ram",
        block_bytes: "4096",
        options: &["-m", "16M", "-smp", "1", "-swap", "64M"],
    },
    Variant {
        name: "little-ram-harts4",
        block_bytes: "1024",
        options: &["-m", "16M", "-smp", "4", "-swap", "64M"],
    },
    Variant {
        name: "svade-harts4",
        block_bytes: "2048",
        options: &["-m", "32M", "-smp", "4", "-cpu", "rv64,svade=on,svadu=off", "-swap", "64M"],
    },
];

/// Blocks of a disk of 8 MiB that can neither be read nor written: none that mke2fs uses.
const BAD_SECTORS: &str = "sectors=2000-2079+2101+2160-2239+2400-2599";

/// Writes at which the power is cut.
const CUTS: [u64; 5] = [40, 137, 300, 701, 1500];

/// All of them.
pub(crate) fn trials() -> Vec<Trial> {
    let variants = VARIANTS
        .iter()
        .map(|variant| Trial::test(format!("filetest::{}", variant.name), || filetest(variant)));
    let cuts = CUTS
        .into_iter()
        .map(|cut| Trial::test(format!("files_cut::{cut}"), move || power_cut(cut)));
    let by_hand: [(_, fn() -> _); 4] = [
        ("files_typed", typed),
        ("files_in_use", in_use),
        ("files_bad_block", bad_block),
        ("files_bad_disk", bad_disk),
    ];
    let by_hand = by_hand.into_iter().map(|(name, test)| Trial::test(name, test));
    variants.chain(cuts).chain(by_hand).collect()
}

/// The guest's own tests, after which the disk is whole.
fn filetest(variant: &Variant) -> Result<(), Failed> {
    let image = Image::new(&format!("filetest-{}", variant.name), variant.block_bytes, "64M")?;
    let drive = image.drive();
    let disk = ["-drive", &drive, "-append", "init=/bin/filetest quiet"];
    let text = boot(&[variant.options, &disk].concat(), &[])?;
    output::passed(&text)?;
    image.expect_clean()?;
    image.expect("/rand", &content())?;
    image.expect("/inner/hello", b"hello\n")
}

/// Whoever needs a block that cannot be read is told so, and nobody else.
fn bad_block() -> Result<(), Failed> {
    const BLOCK_BYTES: u64 = 1024;
    const SECTOR_BYTES: u64 = 512;
    let image = Image::new("files-bad-block", "1024", "8M")?;
    let found = run_tool("debugfs", &["-R", "bmap /rand 42", &image.name()])?.stdout;
    let block: u64 = String::from_utf8(found)?.trim().parse()?;
    let first = block * BLOCK_BYTES / SECTOR_BYTES;
    let errors = format!("sectors={first}-{}", first + BLOCK_BYTES / SECTOR_BYTES - 1);
    failing(&image, "bad-block", &errors)?;
    image.expect_clean()?;
    image.expect("/rand", &content())
}

/// A disk of which parts fail spoils the files there, and can be repaired.
fn bad_disk() -> Result<(), Failed> {
    let image = Image::new("files-bad-disk", "1024", "8M")?;
    failing(&image, "errors", BAD_SECTORS)?;
    image.repair("-fy")?;
    image.expect("/rand", &content())
}

/// Runs a test of the guest's on a disk that fails so.
fn failing(image: &Image, test: &str, errors: &str) -> Result<(), Failed> {
    let (drive, append) = (image.drive(), format!("init=/bin/filetest quiet -- -k {test}"));
    let machine = ["-m", "32M", "-smp", "4", "-append", &append];
    let disk = ["-drive", &drive, "-disk-errors", errors];
    output::passed(&boot(&[&machine[..], &disk].concat(), &[])?)
}

/// What is copied, moved and removed by hand is so on the disk, with sync or without.
fn typed() -> Result<(), Failed> {
    let image = Image::new("files-typed", "1024", "16M")?;
    let drive = image.drive();
    let lines = [
        "mkdir /mnt; mount -t ext2 /dev/vda /mnt",
        "cat /mnt/rand > /mnt/copy; cat /mnt/copy | wc -c",
        "cat /bin/wc > /mnt/wc; mv /mnt/inner/hello /mnt/moved; rmdir /mnt/inner",
        "sync; echo later > /mnt/later; ln -s later /mnt/link; cat /mnt/link",
        "cat /proc/sys/vm/audit | head -n 1",
        "exit",
    ];
    let text = boot(&["-m", "32M", "-drive", &drive, "-append", "quiet"], &lines)?;
    for wanted in ["300000", "later", "ok"] {
        let has = text.lines().any(|line| line.trim() == wanted);
        check(has, || format!("no line is {wanted:?}:\n{}", last_lines(&text)))?;
    }
    // The machine has ended without umount: the kernel has done that.
    image.expect_clean()?;
    image.expect("/copy", &content())?;
    image.expect("/moved", b"hello\n")?;
    image.expect("/later", b"later\n")?;
    check(image.read("/inner/hello")?.is_empty(), || "it was moved away".to_owned())
}

/// A disk is for one thing at a time, may be changed or not, and shown at two places.
fn in_use() -> Result<(), Failed> {
    let image = Image::new("files-in-use", "1024", "16M")?;
    let drive = image.drive();
    let lines = [
        "mkdir /mnt /other; mount /dev/vda /mnt && echo is mounted",
        "swapon /dev/vda || echo not to be swapped on",
        "mkswap /dev/vda || echo not to be made anew",
        "mount /dev/vdb /other || echo is swapped on",
        "sleep 1000 < /mnt/rand & sleep 0.2; umount /mnt || echo is read; kill %1; wait",
        "mount -o remount,ro /mnt && echo can be read; echo > /mnt/new || echo no more",
        "mount -o remount,rw /mnt && echo new > /mnt/new && cat /mnt/new",
        "mount --bind /mnt/inner /other && umount /mnt && cat /other/hello",
        "umount -l /other; cat /other/hello || echo is gone; mount /dev/vda /other && ls /other",
        "exit",
    ];
    let text = boot(&["-m", "32M", "-swap", "16M", "-drive", &drive, "-append", "quiet"], &lines)?;
    for wanted in [
        "is mounted",
        "not to be swapped on",
        "not to be made anew",
        "is swapped on",
        "is read",
        "can be read",
        "no more",
        "new",
        "hello",
        "is gone",
    ] {
        let has = text.lines().any(|line| line.trim() == wanted);
        check(has, || format!("no line is {wanted:?}:\n{}", last_lines(&text)))?;
    }
    image.expect_clean()?;
    image.expect("/new", b"new\n")
}

/// The byte at a position of what the test `churn` writes in a round.
fn churned(round: u64, at: u64) -> u8 {
    let mixed = ((round << 40) ^ (at / 8)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (at % 8 * 8)) as u8
}

/// After a power cut e2fsck repairs the disk without asking, and what was synced is there.
fn power_cut(cut: u64) -> Result<(), Failed> {
    let block_bytes = if cut.is_multiple_of(2) { "1024" } else { "4096" };
    let image = Image::new(&format!("files-cut-{cut}"), block_bytes, "8M")?;
    let (drive, cut) = (image.drive(), format!("cut={cut}"));
    let disk = ["-drive", &drive, "-disk-errors", &cut];
    let Output { stdout, stderr, .. } =
        end_of(&[&["-m", "16M", "-append", "quiet"], &disk[..]].concat(), &["filetest churn"])?;
    let stderr = String::from_utf8_lossy(&stderr);
    check(stderr.contains("power"), || format!("it was not cut: {stderr}"))?;
    image.repair("-p")?;
    let text = String::from_utf8_lossy(&stdout).replace("\r\n", "\n");
    let safe = text.lines().filter_map(|line| line.strip_prefix("safe ")?.parse::<u64>().ok());
    let safe: Vec<u64> = safe.collect();
    check(!safe.is_empty(), || format!("nothing is safe:\n{}", last_lines(&text)))?;
    for round in safe {
        let want: Vec<u8> = (0..3000 + round % 7 * 1500).map(|at| churned(round, at)).collect();
        image.expect(&format!("/churn/safe{round}"), &want)?;
    }
    Ok(())
}
