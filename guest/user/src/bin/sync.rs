//! `sync`: makes all that was written survive.

#![no_std]
#![no_main]

use guest_user::complain;
use guest_user::sys::file;

guest_user::program!(main);

fn main() -> i32 {
    match file::sync_all() {
        Ok(()) => 0,
        Err(error) => {
            complain!("{error}");
            1
        }
    }
}
