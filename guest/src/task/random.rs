//! [`Random`]: random bytes for programs and addresses: ChaCha20 (RFC 8439, "The ChaCha20 Block
//! Function") whose key is replaced by its own output after every use, so that nobody can compute
//! what it gave before.

/// Words of a ChaCha20 block.
const BLOCK_WORDS: usize = 16;
const KEY_WORDS: usize = 8;
/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Gives random bytes.
#[derive(Debug, Default)]
pub struct Random {
    key: [u32; KEY_WORDS],
}

fn quarter_round(state: &mut [u32; BLOCK_WORDS], [a, b, c, d]: [usize; 4]) {
    for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        state[x] = state[x].wrapping_add(state[y]);
        state[z] = (state[z] ^ state[x]).rotate_left(turn);
    }
}

/// The key stream for a key, a counter and a nonce.
fn block(key: &[u32; KEY_WORDS], counter: u32, nonce: [u32; 3]) -> [u32; BLOCK_WORDS] {
    let mut start = [0; BLOCK_WORDS];
    start[..4].copy_from_slice(&CONSTANTS);
    start[4..12].copy_from_slice(key);
    start[12] = counter;
    start[13..].copy_from_slice(&nonce);
    let mut state = start;
    for _ in 0..10 {
        for column in 0..4 {
            quarter_round(&mut state, [0, 4, 8, 12].map(|row| row + column));
        }
        for first in 0..4 {
            let at = |row: usize| 4 * row + (first + row) % 4;
            quarter_round(&mut state, [at(0), at(1), at(2), at(3)]);
        }
    }
    for (word, start) in state.iter_mut().zip(start) {
        *word = word.wrapping_add(start);
    }
    state
}

impl Random {
    /// Without any entropy yet.
    pub const fn new() -> Self {
        Self { key: [0; KEY_WORDS] }
    }

    /// Stirs bytes in that others do not know.
    pub fn add_entropy(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(4 * KEY_WORDS) {
            for (index, byte) in chunk.iter().enumerate() {
                self.key[index / 4] ^= u32::from(*byte) << (8 * (index % 4));
            }
            self.next_key();
        }
    }

    fn next_key(&mut self) {
        let stream = block(&self.key, 0, [0; 3]);
        self.key.copy_from_slice(&stream[..KEY_WORDS]);
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for (counter, chunk) in bytes.chunks_mut(4 * BLOCK_WORDS).enumerate() {
            // 64 GiB are not asked for at once: a call is for 256 MiB at most.
            let stream = block(&self.key, counter as u32 + 1, [0; 3]);
            for (index, byte) in chunk.iter_mut().enumerate() {
                *byte = stream[index / 4].to_le_bytes()[index % 4];
            }
        }
        self.next_key();
    }

    /// One word.
    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_of_the_rfc() {
        // Section "Test Vector for the ChaCha20 Block Function".
        let key: [u32; 8] = core::array::from_fn(|word| {
            let byte = 4 * word as u8;
            u32::from_le_bytes([byte, byte + 1, byte + 2, byte + 3])
        });
        let found = block(&key, 1, [0x0900_0000, 0x4a00_0000, 0]);
        assert_eq!(found[..4], [0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3]);
        assert_eq!(found[12..], [0xd19c_12b5, 0xb94e_16de, 0xe883_d0cb, 0x4e3c_50a2]);
    }

    #[test]
    fn it_never_says_the_same_twice() {
        let mut random = Random::new();
        let first = random.next_u64();
        assert_ne!(first, random.next_u64());
        let mut other = Random::new();
        other.add_entropy(b"x");
        assert_ne!(first, other.next_u64());
        let mut long = [0; 200];
        other.fill(&mut long);
        assert!(long.chunks(8).all(|chunk| chunk != [0; 8]));
        assert_ne!(long[..64], long[64..128]);
    }

    #[test]
    fn all_entropy_counts() {
        let draw = |entropy: &[u8]| {
            let mut random = Random::new();
            random.add_entropy(entropy);
            random.next_u64()
        };
        let long = [7; 70];
        for at in [0, 31, 32, 69] {
            let mut other = long;
            other[at] ^= 1;
            assert_ne!(draw(&long), draw(&other), "{at}");
        }
    }
}
