//! `poweroff`: writes everything out and powers the machine off.

#![no_std]
#![no_main]

use guest_user::sys::system;

guest_user::program!(main);

fn main() -> i32 {
    system::sync();
    match system::power_off() {
        Ok(()) => 0,
        Err(error) => {
            guest_user::complain!("{error}");
            1
        }
    }
}
