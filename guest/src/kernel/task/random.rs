//! Random bytes for everybody: `getrandom`, /dev/random, AT_RANDOM, addresses.

use guest::task::random::Random;

use crate::arch::cpu;
use crate::sync::SpinLock;
use crate::time;

/// Bytes that are made with the lock held.
const CHUNK_BYTES: usize = 256;

static RANDOM: SpinLock<Random> = SpinLock::new(Random::new());

/// Stirs in what others do not know: a seed in the device tree, what a program writes.
pub(crate) fn add_entropy(bytes: &[u8]) {
    RANDOM.lock().add_entropy(bytes);
}

/// Fills `bytes`.
pub(crate) fn fill(bytes: &mut [u8]) {
    let mut moment = [0; 24];
    let words = [time::now().0, time::real_now(), cpu::instructions()];
    moment.copy_from_slice(words.map(u64::to_le_bytes).as_flattened());
    add_entropy(&moment);
    for chunk in bytes.chunks_mut(CHUNK_BYTES) {
        RANDOM.lock().fill(chunk);
    }
}

/// One word.
pub(crate) fn next_u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
