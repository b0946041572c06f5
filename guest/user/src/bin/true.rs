//! `true`: does nothing, successfully.

#![no_std]
#![no_main]

guest_user::program!(main);

fn main() -> i32 {
    0
}
