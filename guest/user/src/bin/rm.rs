//! `rm [-rf] FILE...`: takes names away, with `-r` directories and all below them.

#![no_std]
#![no_main]

use guest_user::bytes::Bytes;
use guest_user::options::{Options, Order};
use guest_user::sys::{args, dir, file, io};
use guest_user::{Errno, Result, complain};
use linux_raw_sys::general::S_IFDIR;

guest_user::program!(main);

fn main() -> i32 {
    let options = Options::parse(args::args(), b"rRf", b"", Order::Anywhere);
    let options = options.filter(|options| !options.operands.is_empty() || options.has(b'f'));
    let Some(options) = options else { return io::usage("rm [-rf] FILE...") };
    let recursive = options.has(b'r') || options.has(b'R');
    let mut status = 0;
    for path in &options.operands {
        let removed = if recursive { remove_all(path) } else { file::unlink(path) };
        match removed {
            Ok(()) => {}
            Err(Errno::NOENT) if options.has(b'f') => {}
            Err(error) => {
                complain!("cannot remove '{}': {error}", Bytes(path));
                status = 1;
            }
        }
    }
    status
}

/// Removes a name; of a directory, first all that is in it.
fn remove_all(path: &[u8]) -> Result<()> {
    if !file::is_kind(file::stat_link(path)?.st_mode, S_IFDIR) {
        return file::unlink(path);
    }
    for entry in dir::entries(path)? {
        if entry.name != b"." && entry.name != b".." {
            remove_all(&[path, b"/", &entry.name].concat())?;
        }
    }
    file::remove_directory(path)
}
