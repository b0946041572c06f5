//! What the system is called: `uname(2)`, /proc/version and /proc/sys/kernel.

use alloc::vec::Vec;

use guest::errno::Errno;

use crate::sync::SpinLock;

/// The kind of system that programs are written for.
pub(crate) const OSTYPE: &str = "Linux";
/// The version of its interface.
pub(crate) const OSRELEASE: &str = "6.12.0-pagewalk";
/// Which one it is.
pub(crate) const VERSION: &str = concat!("#1 SMP PREEMPT Pagewalk ", env!("CARGO_PKG_VERSION"));
/// What it runs on.
pub(crate) const MACHINE: &str = "riscv64";
/// Longest name of a host, in bytes.
pub(crate) const HOSTNAME_MAX_BYTES: usize = 64;

/// The name of this host; empty: nobody has given it one.
static HOSTNAME: SpinLock<Vec<u8>> = SpinLock::new(Vec::new());

/// Its domain; `None`: nobody has given it one.
static DOMAIN: SpinLock<Option<Vec<u8>>> = SpinLock::new(None);

/// The name of this host.
pub(crate) fn hostname() -> Vec<u8> {
    let name = HOSTNAME.lock().clone();
    if name.is_empty() { b"pagewalk".to_vec() } else { name }
}

/// Gives it another name.
///
/// # Errors
/// `EINVAL`: it is too long.
pub(crate) fn set_hostname(name: &[u8]) -> Result<(), Errno> {
    if name.len() > HOSTNAME_MAX_BYTES {
        return Err(Errno::EINVAL);
    }
    let name = name.to_vec();
    let old = core::mem::replace(&mut *HOSTNAME.lock(), name);
    drop(old);
    Ok(())
}

/// The name of its domain.
pub(crate) fn domainname() -> Vec<u8> {
    DOMAIN.lock().clone().unwrap_or_else(|| b"(none)".to_vec())
}

/// Gives that another name.
///
/// # Errors
/// `EINVAL`: it is too long.
pub(crate) fn set_domainname(name: &[u8]) -> Result<(), Errno> {
    if name.len() > HOSTNAME_MAX_BYTES {
        return Err(Errno::EINVAL);
    }
    let name = name.to_vec();
    let old = DOMAIN.lock().replace(name);
    drop(old);
    Ok(())
}
