//! The machine and its kernel: names, messages, power.

use linux_raw_sys::general as g;
pub use linux_raw_sys::system::new_utsname as Names;

use super::call::{Plain, args, call};
use crate::errno::Result;

/// What the kernel calls itself and the machine.
pub fn names() -> Result<Names> {
    let mut names = Names::zeroed();
    call(g::__NR_uname, args![&mut names])?;
    Ok(names)
}

/// Copies the last of the kernel's messages; how many bytes.
pub fn messages(buffer: &mut [u8]) -> Result<usize> {
    const READ_ALL: usize = 3;
    call(g::__NR_syslog, args![READ_ALL, buffer])
}

/// Fills a short buffer with random bytes.
pub fn random(bytes: &mut [u8]) -> Result<()> {
    call(g::__NR_getrandom, args![bytes, 0_usize]).map(drop)
}

/// Powers the machine off.
pub fn power_off() -> Result<()> {
    let (first, second) = (g::LINUX_REBOOT_MAGIC1, g::LINUX_REBOOT_MAGIC2);
    call(g::__NR_reboot, args![first, second, g::LINUX_REBOOT_CMD_POWER_OFF, 0_usize]).map(drop)
}

/// Writes everything out.
pub fn sync() {
    // It cannot fail.
    let _ = call(g::__NR_sync, args![]);
}
