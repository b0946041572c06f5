//! `echo [-neE] [WORD...]`: prints its arguments.

#![no_std]
#![no_main]

use guest_user::sys::{args, io};

guest_user::program!(main);

fn main() -> i32 {
    io::write(&guest_user::echo::text(args::args()));
    0
}
