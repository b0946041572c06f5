//! `ipcrm [-q ID] [-m ID] [-s ID] [-Q KEY] [-M KEY] [-S KEY] [-P NAME]`, `ipcrm -a`: removes message
//! queues, segments and semaphores; `-P` a POSIX message queue. A key may be in base 16 with `0x`.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::proc::sysvipc::{KINDS, Objects};
use guest_user::sys::ipc::{self, Kind};
use guest_user::sys::{args, dir, file, io};
use guest_user::{Errno, Result, complain};

guest_user::program!(main);

const USAGE: &str = "ipcrm -a | [-q|-m|-s ID]... [-Q|-M|-S KEY]... [-P NAME]...";
/// Letters for identifiers, for keys, and the kind.
const LETTERS: [(u8, u8, Kind); 3] =
    [(b'q', b'Q', Kind::Messages), (b'm', b'M', Kind::Segment), (b's', b'S', Kind::Semaphores)];

fn main() -> i32 {
    let words: Vec<&[u8]> = args::args().collect();
    if words == [b"-a"] {
        return i32::from(remove_all().inspect_err(|error| complain!("{error}")).is_err());
    }
    // Each option may be there several times: one is looked at after the other.
    let mut failed = words.is_empty();
    let mut rest = &words[..];
    while !rest.is_empty() {
        let joined = rest[0].len() > 2;
        let (one, others) = rest.split_at(if joined { 1 } else { rest.len().min(2) });
        rest = others;
        let options = Options::parse(one.iter().copied(), b"", b"qmsQMSP", Order::Anywhere);
        let Some(options) = options.filter(|options| options.operands.is_empty()) else {
            return io::usage(USAGE);
        };
        if let Err((what, error)) = remove(&options) {
            complain!("{}: {error}", Bytes(what));
            failed = true;
        }
    }
    if words.is_empty() { io::usage(USAGE) } else { i32::from(failed) }
}

/// Removes what the one option names.
fn remove<'a>(options: &Options<'a>) -> core::result::Result<(), (&'a [u8], Errno)> {
    if let Some(name) = options.value(b'P') {
        return ipc::unlink_queue(name).map_err(|error| (name, error));
    }
    for (by_id, by_key, kind) in LETTERS {
        if let Some(word) = options.value(by_id) {
            let id = bytes::decimal(word).and_then(|id| i32::try_from(id).ok());
            let removed = id.ok_or(Errno::INVAL).and_then(|id| ipc::remove(kind, id));
            return removed.map_err(|error| (word, error));
        }
        if let Some(word) = options.value(by_key) {
            let key = match word.strip_prefix(b"0x") {
                Some(digits) => bytes::number(digits, 16),
                None => bytes::decimal(word),
            };
            let key = key.and_then(|key| u32::try_from(key).ok()).ok_or(Errno::INVAL);
            let id = key.and_then(|key| ipc::find(kind, key as i32));
            return id.and_then(|id| ipc::remove(kind, id)).map_err(|error| (word, error));
        }
    }
    Ok(())
}

fn remove_all() -> Result<()> {
    let kinds = [Kind::Messages, Kind::Segment, Kind::Semaphores];
    for (kind, listed) in kinds.into_iter().zip(KINDS) {
        let text = file::read_file(format!("/proc/sysvipc/{}", listed.file).as_bytes())?;
        for object in Objects::parse(&text).iter() {
            ipc::remove(kind, object.number(listed.id) as i32)?;
        }
    }
    for entry in dir::entries(b"/dev/mqueue")? {
        ipc::unlink_queue(&entry.name)?;
    }
    Ok(())
}
