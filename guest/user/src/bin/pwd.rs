//! `pwd`: prints the working directory.

#![no_std]
#![no_main]

use guest_user::sys::{file, io};

guest_user::program!(main);

fn main() -> i32 {
    match file::working_directory() {
        Ok(mut path) => {
            path.push(b'\n');
            io::write(&path);
            0
        }
        Err(error) => {
            guest_user::complain!("{error}");
            1
        }
    }
}
