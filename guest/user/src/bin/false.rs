//! `false`: does nothing, unsuccessfully.

#![no_std]
#![no_main]

guest_user::program!(main);

fn main() -> i32 {
    1
}
