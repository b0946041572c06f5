//! [`Entries`] of a directory, in an order that stays: a reader who goes on behind the cookie of
//! the last entry misses nothing that was there all the time, and sees nothing twice.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::errno::Errno;

/// Low bits of a cookie: number among the names with the same hash.
const SAME_HASH_BITS: u32 = 12;

/// Entries by cookie, which is the name's hash and a number among equal hashes.
#[derive(Debug)]
pub(super) struct Entries<N> {
    by_cookie: BTreeMap<u64, (Arc<[u8]>, N)>,
}

/// FNV-1a, cut to 50 bits: a cookie is a positive `off_t`, and those below 4096 stay free for `.`
/// and `..`.
fn first_cookie(name: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;
    let hash =
        name.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    ((hash >> 14) + 1) << SAME_HASH_BITS
}

impl<N> Entries<N> {
    pub(super) fn new() -> Self {
        Self { by_cookie: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_cookie.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.by_cookie.len()
    }

    fn cookie(&self, name: &[u8]) -> Option<u64> {
        let first = first_cookie(name);
        let same_hash = self.by_cookie.range(first..first + (1 << SAME_HASH_BITS));
        same_hash.into_iter().find(|(_, (other, _))| **other == *name).map(|(cookie, _)| *cookie)
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<&N> {
        let first = first_cookie(name);
        let same_hash = self.by_cookie.range(first..first + (1 << SAME_HASH_BITS));
        same_hash.into_iter().find(|(_, (other, _))| **other == *name).map(|(_, (_, node))| node)
    }

    /// Adds a name that is not there; ENOSPC where too many have its hash.
    pub(super) fn insert(&mut self, name: &Arc<[u8]>, node: N) -> Result<(), Errno> {
        let first = first_cookie(name);
        let free = (first..first + (1 << SAME_HASH_BITS))
            .find(|cookie| !self.by_cookie.contains_key(cookie))
            .ok_or(Errno::ENOSPC)?;
        self.by_cookie.insert(free, (name.clone(), node));
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<N> {
        let cookie = self.cookie(name)?;
        self.by_cookie.remove(&cookie).map(|(_, node)| node)
    }

    /// Puts another node under a name that is there.
    pub(super) fn replace(&mut self, name: &[u8], node: N) -> Option<N> {
        let cookie = self.cookie(name)?;
        let slot = self.by_cookie.get_mut(&cookie)?;
        Some(core::mem::replace(&mut slot.1, node))
    }

    /// Cookie, name and node of those behind a cookie.
    pub(super) fn behind(&self, cookie: u64) -> impl Iterator<Item = (u64, &[u8], &N)> {
        let range = self.by_cookie.range(cookie.saturating_add(1)..);
        range.map(|(cookie, (name, node))| (*cookie, &name[..], node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_positive_offsets_behind_those_of_dots() {
        for name in [&b""[..], b"a", b"\xff\xff", &[0; 255]] {
            let cookie = first_cookie(name);
            assert!(cookie >= 4096 && i64::try_from(cookie + 4095).is_ok(), "{cookie:#x}");
        }
    }

    #[test]
    fn a_reader_misses_nothing_that_stays() {
        let mut entries = Entries::new();
        let name = |index: u32| Arc::<[u8]>::from(index.to_string().as_bytes());
        for index in 0..200 {
            entries.insert(&name(index), index).expect("there is room");
        }
        let (mut cookie, mut seen) = (0, Vec::new());
        // Every entry read takes another one away, and brings a new one.
        let first = |entries: &Entries<u32>, cookie| {
            entries.behind(cookie).next().map(|(cookie, _, node)| (cookie, *node))
        };
        while let Some((next, node)) = first(&entries, cookie) {
            cookie = next;
            seen.push(node);
            let step = seen.len() as u32;
            entries.remove(&name(step * 2 % 200));
            let _ = entries.insert(&name(1000 + step), 1000 + step);
            if step > 1000 {
                break;
            }
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "nothing twice");
        let odd = (0..200).filter(|index| index % 2 == 1);
        assert!(odd.clone().all(|index| seen.contains(&index)), "what stayed was seen");
    }
}
