//! mremap: what moves, what stays, what is refused.

use super::*;
use crate::mm::addr::USER_END;

/// A page below the end of another gigabyte.
const ELSEWHERE: u64 = 0x1f_ffff_f000;

fn wish(start: u64, old: u64, new: u64) -> Remap {
    Remap {
        start,
        old_bytes: old * PAGE,
        new_bytes: new * PAGE,
        mobility: Mobility::MayMove,
        rest: Rest::Unmapped,
    }
}

fn fixed(start: u64, old: u64, to: u64, new: u64) -> Remap {
    Remap { mobility: Mobility::Fixed(to), ..wish(start, old, new) }
}

/// A process with `pages` pages of anonymous memory at `BASE`, each of which holds its number.
fn process(rig: &Rig, pages: u64) -> Process {
    let mut process = rig.process();
    process.map(anonymous(BASE, pages)).expect("room");
    for page in 0..pages {
        process.store(BASE + page * PAGE, page).expect("room");
    }
    process
}

fn remap(process: &mut Process, wish: Remap) -> Result<u64, Errno> {
    process.space.remap(&process.machine, wish)
}

#[test]
fn wishes_that_cannot_be_met() {
    let rig = Rig::new(ToyOptions::default());
    let mut process = process(&rig, 4);
    process.map(anonymous(BASE + 4 * PAGE, 1)).expect("room");
    process.space.protect(&process.machine, BASE + 4 * PAGE, PAGE, Prot::READ).expect("mapped");
    let stay = Remap { mobility: Mobility::Stay, ..wish(BASE, 4, 5) };
    for (wish, expected) in [
        (wish(BASE + 1, 1, 1), Err(Errno::EINVAL)),
        (wish(BASE, 1, 0), Err(Errno::EINVAL)),
        (wish(BASE + 8 * PAGE, 1, 1), Err(Errno::EFAULT)),
        (wish(u64::MAX << 12, 1, 2), Err(Errno::EFAULT)),
        (wish(BASE, 5, 6), Err(Errno::EFAULT)),
        (wish(BASE, 0, 2), Err(Errno::EINVAL)),
        (wish(BASE, USER_END >> 12, 1), Err(Errno::EINVAL)),
        (wish(BASE, 4, USER_END >> 12), Err(Errno::ENOMEM)),
        (Remap { rest: Rest::Mapped, ..wish(BASE, 1, 2) }, Err(Errno::EINVAL)),
        (Remap { rest: Rest::Mapped, new_bytes: 4 * PAGE, ..stay }, Err(Errno::EINVAL)),
        (stay, Err(Errno::ENOMEM)),
        (fixed(BASE, 2, BASE + PAGE, 2), Err(Errno::EINVAL)),
        (fixed(BASE, 2, ELSEWHERE + 1, 2), Err(Errno::EINVAL)),
        (fixed(BASE, 2, USER_END - PAGE, 2), Err(Errno::EINVAL)),
        (fixed(BASE, 2, 0x1000, 2), Err(Errno::EPERM)),
        // Nothing is to be done.
        (wish(BASE, 4, 4), Ok(BASE)),
        (wish(BASE, 1, 1), Ok(BASE)),
    ] {
        assert_eq!(remap(&mut process, wish), expected, "{wish:?}");
    }
    rig.assert_sound(&[&process], &[]);
    let words = [0, 1, 2, 3].map(|page| process.load(BASE + page * PAGE).expect("mapped"));
    assert_eq!(words, [0, 1, 2, 3]);
    rig.end(vec![process], &[]);
}

#[test]
fn a_mapping_shrinks_and_grows_where_it_is() {
    let rig = Rig::new(ToyOptions::default());
    let mut process = process(&rig, 4);
    assert_eq!(remap(&mut process, wish(BASE, 4, 2)), Ok(BASE));
    assert_eq!(process.load(BASE + 2 * PAGE), Err(Trouble::NotMapped));
    let stay = Remap { mobility: Mobility::Stay, ..wish(BASE, 2, 700) };
    assert_eq!(remap(&mut process, stay), Ok(BASE));
    assert_eq!(process.space.vmas().count(), 1);
    let words = [1, 2, 699].map(|page| process.load(BASE + page * PAGE).expect("mapped"));
    assert_eq!(words, [1, 0, 0]);
    rig.assert_sound(&[&process], &[]);
    rig.end(vec![process], &[]);
}

#[test]
fn a_mapping_moves_with_its_pages_and_nothing_else() {
    for (wish, to_pages) in [
        (fixed(BASE, 3, ELSEWHERE, 3), 3),
        (fixed(BASE, 3, ELSEWHERE, 9), 9),
        (fixed(BASE, 3, ELSEWHERE, 2), 2),
        (fixed(BASE, 3, BASE + 512 * PAGE, 3), 3),
        (fixed(BASE, 3, BASE - 3 * PAGE, 3), 3),
    ] {
        let rig = Rig::new(ToyOptions { harts: 2, ..ToyOptions::default() });
        let mut process = process(&rig, 3);
        let Mobility::Fixed(to) = wish.mobility else { unreachable!("see above") };
        process.map(anonymous(to, 1)).expect("room");
        process.store(to, 99).expect("room");
        let mut sibling = process.fork().expect("frames");
        let resident = process.space.resident_pages();
        assert_eq!(remap(&mut process, wish), Ok(to), "{wish:?}");
        rig.assert_sound(&[&process, &sibling], &[]);
        let kept = to_pages.min(3);
        assert_eq!(process.space.resident_pages(), resident - 1 - (3 - kept));
        for page in 0..3 {
            assert_eq!(process.load(BASE + page * PAGE), Err(Trouble::NotMapped), "{wish:?}");
        }
        for page in 0..to_pages {
            let expected = if page < kept { page } else { 0 };
            assert_eq!(process.load(to + page * PAGE), Ok(expected), "{wish:?}");
            process.store(to + page * PAGE, 50).expect("room");
        }
        assert_eq!(process.load(to + to_pages * PAGE), Err(Trouble::NotMapped));
        for page in 0..3 {
            assert_eq!(sibling.load(BASE + page * PAGE), Ok(page), "{wish:?}");
        }
        rig.assert_sound(&[&process, &sibling], &[]);
        rig.end(vec![process, sibling], &[]);
    }
}

#[test]
fn what_cannot_grow_moves_if_it_may() {
    let rig = Rig::new(ToyOptions::default());
    let mut process = process(&rig, 4);
    // The two pages in the middle: the area is cut around them.
    let to = remap(&mut process, wish(BASE + PAGE, 2, 3)).expect("room");
    assert!(to > BASE + 4 * PAGE);
    let words = [to, to + PAGE, to + 2 * PAGE, BASE, BASE + 3 * PAGE];
    assert_eq!(words.map(|va| process.load(va).expect("mapped")), [1, 2, 0, 0, 3]);
    assert_eq!(process.load(BASE + PAGE), Err(Trouble::NotMapped));
    rig.assert_sound(&[&process], &[]);
    rig.end(vec![process], &[]);
}

#[test]
fn the_old_area_may_stay_without_its_pages() {
    let rig = Rig::new(ToyOptions::default());
    let mut process = process(&rig, 2);
    let to = Remap { rest: Rest::Mapped, ..wish(BASE, 2, 2) };
    let to = remap(&mut process, to).expect("room");
    let words = [to, to + PAGE, BASE, BASE + PAGE];
    assert_eq!(words.map(|va| process.load(va).expect("mapped")), [0, 1, 0, 0]);
    assert_eq!(process.space.vmas().totals().pages, 4);
    rig.assert_sound(&[&process], &[]);
    rig.end(vec![process], &[]);
}

#[test]
fn pages_of_objects_keep_their_numbers() {
    let rig = Rig::new(ToyOptions::default());
    let file = ToyObject::with_words(&rig.machine, &[10, 11, 12, 13]);
    let mut process = rig.process();
    process.map(object(BASE, 4, &file, Sharing::Shared)).expect("room");
    process.store(BASE + 2 * PAGE, 22).expect("mapped");
    let twin = remap(&mut process, wish(BASE + PAGE, 0, 2)).expect("room");
    assert_eq!([twin, twin + PAGE].map(|va| process.load(va).expect("mapped")), [11, 22]);
    process.store(twin, 21).expect("mapped");
    assert_eq!(process.load(BASE + PAGE), Ok(21));
    assert_eq!(remap(&mut process, fixed(BASE + 2 * PAGE, 2, ELSEWHERE, 3)), Ok(ELSEWHERE));
    assert_eq!([0, 1].map(|page| process.load(ELSEWHERE + page * PAGE).expect("mapped")), [22, 13]);
    assert_eq!(process.load(ELSEWHERE + 2 * PAGE), Err(Trouble::Bus));
    rig.assert_sound(&[&process], std::slice::from_ref(&file));
    rig.end(vec![process], &[file]);
}

#[test]
fn a_move_that_runs_out_of_memory_changes_nothing() {
    let rig = Rig::new(ToyOptions::default());
    let mut process = process(&rig, 3);
    let free = rig.free_frames();
    // The new place takes a leaf table, and behind the gigabyte's end a middle and a leaf table.
    for nth in 1..=4 {
        rig.machine.fail_nth(Some(nth));
        let result = remap(&mut process, fixed(BASE, 3, 2 * BASE + PAGE, 3));
        if nth <= 3 {
            assert!(!rig.machine.failure_is_due());
            assert_eq!((result, rig.free_frames()), (Err(Errno::ENOMEM), free));
            rig.assert_sound(&[&process], &[]);
            let words = [0, 1, 2].map(|page| process.load(BASE + page * PAGE).expect("mapped"));
            assert_eq!(words, [0, 1, 2]);
            continue;
        }
        rig.machine.fail_nth(None);
        assert_eq!(result, Ok(2 * BASE + PAGE));
        break;
    }
    rig.assert_sound(&[&process], &[]);
    rig.end(vec![process], &[]);
}
