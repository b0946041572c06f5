//! Swap areas: the tests of the kernel and the tour on a machine whose RAM is small and that has
//! one, the tests of swapping itself with every policy, on slow and on failing disks, and the tools
//! that make, switch and show areas.

use libtest_mimic::{Failed, Trial};

use crate::{boot, check, last_lines, output, play_tour, tour};

/// RAM that is soon full, and a disk for swapping.
const SMALL: [&str; 4] = ["-m", "16M", "-swap", "64M"];
const FRAMES: u64 = (16 << 20) / 4096;
const SLOTS: u64 = (64 << 20) / 4096;

/// The whole tour where there is swap.
pub(crate) fn tour(machine: &[&str]) -> Result<(), Failed> {
    play_tour(&[machine, &SMALL].concat(), tour::Swap::On)
}

/// What `swaptest` does: programs larger than RAM, crowds of them, shared memory, areas that are
/// switched off, ends. Nothing fails, and something was swapped.
pub(crate) fn tests(machine: &[&str]) -> Result<(), Failed> {
    let options = [machine, &SMALL, &["-append", "init=/bin/swaptest quiet"]].concat();
    output::passed(&boot(&options, &[])?)
}

/// The kernel's usual tests in a fraction of the RAM that they have otherwise, with a swap area.
pub(crate) fn usual_tests(machine: &[&str]) -> Result<(), Failed> {
    let options = [machine, &SMALL, &["-append", "quiet"]].concat();
    output::passed(&boot(&options, &["vmtest", "exit"])?)
}

const SVADE: &str = "rv64,svade=on,svadu=off";

/// Each policy, on one machine or another.
const POLICIES: [(&str, &[&str]); 6] = [
    ("fifo", &["-smp", "4"]),
    ("clock", &["-smp", "1", "-cpu", SVADE]),
    ("aging", &["-smp", "4"]),
    ("two-list", &["-smp", "1"]),
    ("wsclock", &["-smp", "4", "-cpu", SVADE]),
    ("clock-pro", &["-smp", "1", "-m", "10M"]),
];

/// The tests that belong to a disk: its name, some tests or, for none, the usual ones, and what the
/// disk is like.
const DISKS: [(&str, &str, &[&str]); 4] = [
    ("slow-disk", "", &["-disk-latency", "hdd", "-clock", "warp"]),
    ("failing-writes", "write-errors", &["-disk-errors", "write=1/20,seed=3,drive=swap"]),
    ("failing-reads", "read-errors file-errors", &["-disk-errors", "read=1/4,seed=5,drive=swap"]),
    ("failing-disk", "errors", &["-disk-errors", "read=1/200,write=1/100,seed=7,drive=swap"]),
];

/// The tests of swapping with each policy, and with each kind of disk.
pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let policies = POLICIES.iter().map(|(policy, machine)| {
        Trial::test(format!("swaptest::{policy}"), move || with_policy(policy, machine))
    });
    let disks = DISKS.iter().map(|(name, tests, disk)| {
        Trial::test(format!("swaptest::{name}"), move || {
            let append = format!("init=/bin/swaptest quiet -- {tests}");
            let machine = ["-smp", "4", "-append", &append];
            output::passed(&boot(&[&SMALL[..], &machine, disk].concat(), &[])?)
        })
    });
    policies.chain(disks)
}

fn with_policy(policy: &str, machine: &[&str]) -> Result<(), Failed> {
    let set = format!("echo {policy} > /proc/sys/vm/replacement");
    let typed = ["swapoff -a", &set, "cat /proc/sys/vm/replacement", "swaptest", "exit"];
    let text = boot(&[&SMALL[..], machine, &["-append", "quiet"]].concat(), &typed)?;
    let is_chosen = text.lines().any(|line| line.contains(&format!("[{policy}]")));
    check(is_chosen, || format!("{policy} is not chosen:\n{}", last_lines(&text)))?;
    output::passed(&text)
}

/// A line that ends what a tool has said.
const END: &str = "end of this";

/// What each of these commands has printed.
fn said(commands: &[&str]) -> Result<Vec<String>, Failed> {
    let mark = format!("echo {END}");
    let mut typed: Vec<&str> = commands.iter().flat_map(|command| [*command, &mark]).collect();
    typed.push("exit");
    let options = [&SMALL[..], &["-smp", "1", "-append", "quiet"]].concat();
    let text = boot(&options, &typed)?;
    // Lines are also shown as they are typed: before the shell is there, and behind its prompt.
    let mut said: Vec<String> = Vec::new();
    let mut piece = String::new();
    for line in text.lines() {
        if line == END {
            said.push(std::mem::take(&mut piece));
        } else if line.starts_with("pagewalk:") {
            if !line.ends_with(END) {
                piece.clear();
            }
        } else {
            piece += line;
            piece.push('\n');
        }
    }
    check(said.len() == commands.len(), || last_lines(&text))?;
    Ok(said)
}

/// Sum of the first numbers behind names in a legend.
fn legend_total(text: &str) -> u64 {
    let rows = text.lines().filter(|line| line.ends_with(" KiB"));
    let count = |row: &str| row.split_whitespace().rev().nth(2)?.parse::<u64>().ok();
    rows.filter_map(count).sum()
}

/// Each tool says what it should, in the state that the ones before it have left.
pub(crate) fn tools() -> Result<(), Failed> {
    const BUSY: &str = "swapon: /dev/vda: swapon failed: Device or resource busy\n255\n";
    let exact: [(&str, &str); 10] = [
        ("swapon /dev/vda; echo $?", BUSY),
        (
            "mkswap /dev/vda; echo $?",
            "mkswap: error: /dev/vda is in use; will not make swapspace\n1\n",
        ),
        ("swapoff /dev/vda; echo $?", "0\n"),
        ("swapmap", "no swap area is on\n"),
        ("swapoff /dev/vda; echo $?", "swapoff: /dev/vda: swapoff failed: Invalid argument\n4\n"),
        ("mkswap -L paging /dev/vda > /tmp/made; echo $?", "0\n"),
        (
            "head -n 1 /tmp/made",
            "Setting up swapspace version 1, size = 65532 KiB (67104768 bytes)\n",
        ),
        ("swapon -p 7 -a; echo $?", "0\n"),
        ("swapon | wc -l", "2\n"),
        ("swapon /dev/null; echo $?", "swapon: /dev/null: read swap header failed\n255\n"),
    ];
    let shown =
        ["swapon -s", "frames", "frames -p", "swapmap", "vmtop -n 1", "cat /proc/frames", "free"];
    let commands: Vec<&str> = exact.iter().map(|(command, _)| *command).chain(shown).collect();
    let said = said(&commands)?;
    for ((command, want), got) in exact.iter().zip(&said) {
        check(want == got, || format!("{command} said {got:?}, not {want:?}"))?;
    }
    let [swapon, frames, owners, swapmap, vmtop, runs, free] = &said[exact.len()..] else {
        return Err("a command has said nothing".into());
    };
    let area: Vec<&str> = swapon.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    check(area == ["/dev/vda", "partition", "65532", "0", "7"], || format!("swapon: {area:?}"))?;
    for (map, total) in [(frames, FRAMES), (owners, FRAMES), (swapmap, SLOTS)] {
        let got = legend_total(map);
        check(got == total, || format!("{got} things of {total} are shown:\n{map}"))?;
    }
    check(owners.contains("init") && owners.contains("  2 sh"), || owners.clone())?;
    let listed = ["total", "used", " sh", " init", " vmtop", "4 processes"];
    check(listed[2..5].iter().all(|name| vmtop.contains(name)), || vmtop.clone())?;
    let mut next = None;
    for run in runs.lines() {
        let fields: Vec<&str> = run.split(' ').collect();
        let first = u64::from_str_radix(fields[0].trim_start_matches("0x"), 16)?;
        check(next.is_none_or(|next| next == first), || format!("{run:?} is not the next run"))?;
        next = Some(first + fields[1].parse::<u64>()?);
    }
    check(next == Some(0x8_0000 + FRAMES), || format!("the last run ends at {next:x?}"))?;
    check(free.contains("Swap:          65532"), || free.clone())
}
