//! `ls [-1adl] [PATH...]`: lists directories.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::options::{Options, Order};
use guest_user::sys::file::Stat;
use guest_user::sys::io::STDOUT;
use guest_user::sys::{args, dir, file, io, terminal, time};
use guest_user::{Result, complain, print, println, text};
use linux_raw_sys::general as g;

guest_user::program!(main);

/// Exit status where a path of the command line cannot be listed.
const EXIT_TROUBLE: i32 = 2;

/// How entries are shown.
struct Style {
    /// `-l`
    long: bool,
    /// `-a`
    all: bool,
    /// Width of the terminal; none: a line a name.
    columns: Option<usize>,
    now: i64,
}

fn main() -> i32 {
    let options = Options::parse(args::args(), b"1adlA", b"", Order::Anywhere);
    let Some(options) = options else {
        io::usage("ls [-1adl] [PATH...]");
        return EXIT_TROUBLE;
    };
    let terminal = terminal::is_terminal(STDOUT) && !options.has(b'1');
    let style = Style {
        long: options.has(b'l'),
        all: options.has(b'a'),
        columns: terminal.then(|| terminal::columns(STDOUT).unwrap_or(80)),
        now: time::since_epoch().as_secs() as i64,
    };
    let mut paths = options.operands.clone();
    if paths.is_empty() {
        paths.push(b".");
    }
    let (mut status, mut files, mut directories) = (0, Vec::new(), Vec::new());
    for path in paths {
        match file::stat(path).or_else(|_| file::stat_link(path)) {
            Ok(stat) if file::is_kind(stat.st_mode, g::S_IFDIR) && !options.has(b'd') => {
                directories.push(path);
            }
            Ok(_) => files.push(path.to_vec()),
            Err(error) => {
                complain!("cannot access '{}': {error}", Bytes(path));
                status = EXIT_TROUBLE;
            }
        }
    }
    show(b"", &files, &style);
    let titled = files.len() + directories.len() > 1 || status != 0;
    for (index, path) in directories.iter().enumerate() {
        if index > 0 || !files.is_empty() {
            println!();
        }
        if titled {
            println!("{}:", Bytes(path));
        }
        if let Err(error) = list(path, &style) {
            complain!("cannot open directory '{}': {error}", Bytes(path));
            status = EXIT_TROUBLE;
        }
    }
    status
}

fn list(path: &[u8], style: &Style) -> Result<()> {
    let entries = dir::sorted_entries(path)?.into_iter().map(|entry| entry.name);
    let names: Vec<Vec<u8>> = entries.filter(|name| style.all || !name.starts_with(b".")).collect();
    show(&[path, b"/"].concat(), &names, style);
    Ok(())
}

/// Shows files whose names are relative to `base`.
fn show(base: &[u8], names: &[Vec<u8>], style: &Style) {
    if style.long {
        return show_long(base, names, style);
    }
    match style.columns {
        Some(columns) => io::write(&text::in_columns(names, columns)),
        None => names.iter().for_each(|name| io::write(&[&name[..], b"\n"].concat())),
    }
}

fn show_long(base: &[u8], names: &[Vec<u8>], style: &Style) {
    let mut rows = Vec::new();
    let mut blocks = 0;
    for name in names {
        let path = [base, &name[..]].concat();
        match file::stat_link(&path) {
            Ok(stat) => {
                blocks += stat.st_blocks;
                rows.push((path, name, stat));
            }
            Err(error) => complain!("cannot access '{}': {error}", Bytes(&path)),
        }
    }
    if !base.is_empty() {
        println!("total {}", blocks / 2);
    }
    let sizes: Vec<String> = rows.iter().map(|(.., stat)| size(stat)).collect();
    let width = sizes.iter().map(String::len).max().unwrap_or(0);
    for ((path, name, stat), size) in rows.iter().zip(&sizes) {
        let mode = text::mode(stat.st_mode);
        let time = text::file_time(stat.st_mtime, style.now);
        print!(
            "{mode} {:2} {:4} {:4} {size:>width$} {time} ",
            stat.st_nlink,
            owner(stat.st_uid),
            owner(stat.st_gid)
        );
        io::write(name);
        if file::is_kind(stat.st_mode, g::S_IFLNK)
            && let Ok(target) = file::read_link(path)
        {
            io::write(b" -> ");
            io::write(&target);
        }
        println!();
    }
}

/// The size; of a device its numbers.
fn size(stat: &Stat) -> String {
    let device = stat.st_rdev;
    if file::is_kind(stat.st_mode, g::S_IFCHR) || file::is_kind(stat.st_mode, g::S_IFBLK) {
        let major = device >> 8 & 0xfff | device >> 32 & !0xfff;
        let minor = device & 0xff | device >> 12 & !0xff;
        return format!("{major}, {minor:3}");
    }
    format!("{}", stat.st_size)
}

/// A user's or group's name: there is but one.
fn owner(id: u32) -> String {
    if id == 0 { String::from("root") } else { format!("{id}") }
}
