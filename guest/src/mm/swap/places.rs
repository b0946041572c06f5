//! Swap areas that are files: their pages lie on a disk, but with others between them. An area is
//! the stretch of the disk that they lie in, and all others in there are bad.

use alloc::vec::Vec;

use super::super::OutOfMemory;

/// Which pages of a stretch an area has, whose page `index` lies at `places[index]` of it; 0 for
/// the header, and for what is not used. `last` is the last page that the header
/// names, and `bad` those that it says are bad. How long the stretch is, and what is bad there.
///
/// # Errors
/// No memory for the list.
pub fn within(
    places: &[u32],
    last: u32,
    bad: impl Iterator<Item = u32>,
) -> Result<(u64, Vec<u32>), OutOfMemory> {
    let count = places.len().min(last as usize + 1);
    let mut good = Vec::new();
    good.try_reserve_exact(count).map_err(|_| OutOfMemory)?;
    good.extend_from_slice(&places[..count]);
    for page in bad {
        if let Some(place) = good.get_mut(page as usize) {
            *place = 0;
        }
    }
    good.sort_unstable();
    let pages = good.last().map_or(1, |highest| u64::from(*highest) + 1);
    let mut others = Vec::new();
    let mut next = 1;
    for place in good.into_iter().filter(|place| *place != 0) {
        others.try_reserve(place.saturating_sub(next) as usize).map_err(|_| OutOfMemory)?;
        others.extend(next..place);
        next = place + 1;
    }
    Ok((pages, others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_is_bad() {
        let whole = [0, 1, 2, 3];
        let apart = [0, 4, 5, 2, 9];
        let none: [u32; 0] = [];
        for (places, last, bad, pages, others) in [
            (&whole[..], 3, &none[..], 4, &none[..]),
            (&whole, 9, &none, 4, &none),
            (&whole, 2, &none, 3, &none),
            (&whole, 3, &[2], 4, &[2]),
            (&whole, 3, &[3, 77], 3, &none),
            (&apart, 4, &none, 10, &[1, 3, 6, 7, 8]),
            (&apart, 3, &none, 6, &[1, 3]),
            (&apart, 4, &[4], 6, &[1, 3]),
            (&[0, 5, 4, 1], 3, &none, 6, &[2, 3]),
            (&[0, 0, 3], 2, &none, 4, &[1, 2]),
            (&[0], 3, &none, 1, &none),
            (&[], 3, &none, 1, &none),
        ] {
            let got = within(places, last, bad.iter().copied()).expect("memory");
            assert_eq!(got, (pages, others.to_vec()), "{places:?} {last} {bad:?}");
        }
    }
}
