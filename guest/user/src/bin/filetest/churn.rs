//! Changes without end, for a disk whose power is cut: what was said to have survived must be there.

use alloc::format;

use guest_user::println;
use guest_user::sys::file;
use guest_user::sys::io;

use crate::Case;
use crate::world::{bytes, write_file};

pub(crate) const CASES: &[Case] = &[("churn", churn)];

/// Makes files, renames and removes them, and says which ones are safe.
fn churn() {
    for round in 0_u64.. {
        let name = format!("f{}", round % 20).into_bytes();
        let file = write_file(b"new", &bytes(round, 3000 + round as usize % 7 * 1500));
        if round % 5 == 0 {
            file.sync().expect("fsync");
            file::rename(b"new", &format!("safe{round}").into_bytes()).expect("rename");
            file::sync_all().expect("sync");
            println!("safe {round}");
            let _ = io::flush();
        } else {
            file::rename(b"new", &name).expect("rename");
        }
        if round % 30 == 29 {
            let directory = format!("d{round}").into_bytes();
            file::make_directory(&directory, 0o755).expect("mkdir");
            file::rename(&name, &[&directory[..], b"/in"].concat()).expect("rename");
        }
        if round % 11 == 10 {
            // It may be in a directory by now.
            let _ = file::unlink(&format!("f{}", round % 20).into_bytes());
        }
    }
}
