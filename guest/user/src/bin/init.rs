//! `init [COMMAND [ARGUMENT...]]`: the first process. It mounts what is not mounted, takes the
//! console, switches swapping on, greets, starts a shell (or the command) as its own session's foreground, and ends when
//! that ends, with its exit status: the kernel then powers the machine off. Until then it waits
//! for orphans.
//!
//! Where the kernel's command line names a disk (`root=`), the command is one on that disk, which is
//! the root of all its files: what `init=` says, or else the first of the usual ones that is there.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::vec;
use alloc::vec::Vec;

use guest::boot_options::{BootOptions, ROOT_INITS, Root};
use guest_user::bytes::{self, Bytes};
use guest_user::proc::swaps;
use guest_user::sys::io::{STDERR, STDIN};
use guest_user::sys::process::Status;
use guest_user::sys::{args, file, io, process, signal, swap, terminal};
use guest_user::{Errno, complain, print, println};
use linux_raw_sys::general as g;

guest_user::program!(main);

/// Exit status where the command cannot be started.
const EXIT_NOT_STARTED: i32 = 127;

/// What should be mounted: type, where, permissions of the directory.
const MOUNTS: [(&[u8], &[u8], u32); 4] = [
    (b"proc", b"/proc", 0o555),
    (b"devtmpfs", b"/dev", 0o755),
    (b"tmpfs", b"/dev/shm", 0o1777),
    (b"tmpfs", b"/tmp", 0o1777),
];

/// Where the root of the command is mounted, and of what kind it is.
const NEW_ROOT: &[u8] = b"/sysroot";
const ROOT_KIND: &[u8] = b"ext2";

/// Where programs are.
const PROGRAMS: &[u8] = b"/bin/";

/// The environment where the kernel gave none.
const ENVIRONMENT: [(&[u8], &[u8]); 4] =
    [(b"PATH", b"/bin"), (b"HOME", b"/root"), (b"TERM", b"linux"), (b"USER", b"root")];

const GREETING: &str = "
Welcome to Pagewalk: every process here has an address space of its own. Try:
  mem & mem &       two processes, one address, two counters; then: kill %1 %2
  v2p PID ADDRESS   where an address of a process really is
  ptdump PID        its page tables
  maps PID          its memory, and how much of it is there
  faults COMMAND    every page fault of a command, and what was done
  vmdemo            guided scenes
  frames            whose each frame of RAM is
  ps, free, vmstat  the usual tools; help lists what the shell knows
";
const SWAP: &str = "  vmtop, swapmap    who is in RAM and who is not; swapping is on:";
const LEAVING: &str = "To leave: exit; or at any time Ctrl-A x.

";

fn main() -> i32 {
    for (kind, place, mode) in MOUNTS {
        mount(kind, place, mode);
    }
    open_console();
    switch_swap_on();
    let line = file::read_file(b"/proc/cmdline").unwrap_or_default();
    let options = BootOptions::parse(&line, |_| {});
    let root = options.root.and_then(|root| mount_root(&root, options.init));
    let mut command: Vec<&[u8]> = args::args().collect();
    if let Some(init) = root {
        command.insert(0, init);
        return run(init, &command, Some(NEW_ROOT));
    }
    let (path, command) = match command.first() {
        Some(path) if path.contains(&b'/') => (path.to_vec(), command),
        Some(name) => ([PROGRAMS, name].concat(), command),
        None => {
            greet();
            // A login shell's name begins with a dash.
            ([PROGRAMS, b"sh"].concat(), vec![&b"-sh"[..]])
        }
    };
    run(&path, &command, None)
}

/// Runs a command to its end; its status.
fn run(path: &[u8], command: &[&[u8]], root: Option<&[u8]>) -> i32 {
    match start(path, command, root) {
        Ok(child) => reap_until(child),
        Err(error) => {
            complain!("fork: {error}");
            EXIT_NOT_STARTED
        }
    }
}

/// Mounts the disk that will be the root of the command, and what belongs into it; the command on
/// it. What goes wrong is said, and there is none.
fn mount_root<'a>(root: &Root<'_>, wanted: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let flags = if root.is_read_only { g::MS_RDONLY } else { 0 };
    // It is there if an init before this one has made it.
    let _ = file::make_directory(NEW_ROOT, 0o755);
    let mounted = match root.may_be(ROOT_KIND) {
        true => file::mount(root.device, NEW_ROOT, ROOT_KIND, flags),
        false => Err(Errno::NODEV),
    };
    if let Err(error) = mounted {
        complain!("mounting {} as root: {error}", Bytes(root.device));
        return None;
    }
    for (kind, place, mode) in MOUNTS {
        mount(kind, &[NEW_ROOT, place].concat(), mode);
    }
    let is_there = |path: &&[u8]| file::stat_link(&[NEW_ROOT, *path].concat()).is_ok();
    let init = wanted.or_else(|| ROOT_INITS.into_iter().find(is_there));
    if init.is_none() {
        complain!("{} has no init", Bytes(root.device));
    }
    init
}

/// Makes a directory the root of all files; without that nothing else is right.
fn enter(root: &[u8]) {
    if let Err(error) = file::change_root(root).and_then(|()| file::change_directory(b"/")) {
        complain!("{}: {error}", Bytes(root));
        process::exit_at_once(EXIT_NOT_STARTED)
    }
}

fn mount(kind: &[u8], place: &[u8], mode: u32) {
    match file::make_directory(place, mode) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return complain!("{}: {error}", Bytes(place)),
    }
    if is_mounted(place) {
        return;
    }
    match file::mount(kind, place, kind, 0) {
        // A kernel that does not say so, or that has it built in, is as good.
        Ok(()) | Err(Errno::BUSY | Errno::NODEV) => {}
        Err(error) => complain!("mounting {}: {error}", Bytes(place)),
    }
}

fn greet() {
    print!("{GREETING}");
    let text = file::read_file(b"/proc/swaps").unwrap_or_default();
    let areas = swaps::parse(&text);
    if !areas.is_empty() {
        print!("{SWAP}");
        areas.iter().for_each(|area| print!(" {} ({} KiB)", Bytes(area.path), area.size));
        println!();
    }
    print!("{LEAVING}");
}

/// Uses every disk that has the header of a swap area.
fn switch_swap_on() {
    for path in swap::disks().unwrap_or_default() {
        match swap::switch_on(&path, None) {
            // A kernel without swapping, or that uses it already.
            Ok(()) | Err(Errno::BUSY | Errno::NOSYS) => {}
            Err(error) => complain!("{}: swapon failed: {error}", Bytes(&path)),
        }
    }
}

/// Whether the kernel has mounted something there already; without /proc nobody knows.
fn is_mounted(place: &[u8]) -> bool {
    let mounts = file::read_file(b"/proc/mounts").unwrap_or_default();
    bytes::lines(&mounts).any(|line| bytes::fields(line).nth(1) == Some(place))
}

/// Makes sure that standard input, output and error are there.
fn open_console() {
    if file::stat_fd(STDERR).is_ok() {
        return;
    }
    if let Ok(console) = file::open(b"/dev/console", g::O_RDWR, 0) {
        for fd in STDIN..=STDERR {
            // There is nowhere to complain to.
            let _ = file::duplicate_to(console, fd);
        }
        if console > STDERR {
            let _ = file::close(console);
        }
    }
}

/// Starts the command in a session of its own with the terminal, with a directory as its root.
fn start(path: &[u8], command: &[&[u8]], root: Option<&[u8]>) -> Result<i32, Errno> {
    let arguments = command.iter().map(|word| file::c_path(word)).collect::<Result<Vec<_>, _>>()?;
    let path = file::c_path(path)?;
    let mut environment: Vec<CString> = args::environment().map(CString::from).collect();
    for (name, value) in ENVIRONMENT {
        if args::variable(name).is_none() {
            environment.push(file::c_path(&[name, b"=", value].concat())?);
        }
    }
    if let Some(child) = process::fork()? {
        return Ok(child);
    }
    take_terminal();
    if let Some(root) = root {
        enter(root);
    }
    let words = arguments.iter().map(CString::as_c_str);
    let error = process::exec(&path, words, environment.iter().map(CString::as_c_str));
    complain!("{}: {error}", Bytes(path.as_bytes()));
    process::exit_at_once(EXIT_NOT_STARTED)
}

/// A session with the console as its terminal, and this process in its foreground.
fn take_terminal() {
    if process::start_session().is_err() || !terminal::is_terminal(STDIN) {
        return;
    }
    // Opened again by its own name: Linux does not stop background processes that read from
    // /dev/console.
    if terminal::make_controlling(STDIN).is_ok()
        && let Ok(tty) = file::open(b"/dev/tty", g::O_RDWR, 0)
    {
        for fd in STDIN..=STDERR {
            // All are open already.
            let _ = file::duplicate_to(tty, fd);
        }
        let _ = file::close(tty);
    }
    let _ = terminal::set_foreground(STDIN, process::id());
}

/// Waits for every child until this one ends; its status.
fn reap_until(child: i32) -> i32 {
    let _ = io::flush();
    let _ = signal::set(g::SIGINT, signal::Action::Ignore);
    loop {
        match process::wait(-1, 0) {
            Ok(Some((pid, status @ (Status::Exited(_) | Status::Killed(_))))) if pid == child => {
                return status.code();
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return EXIT_NOT_STARTED,
        }
    }
}
