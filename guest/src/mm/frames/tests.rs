//! The allocator against a bitmap, the owners' counts, and what must not be done.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::check::{Disagreement, check};
use super::*;
use crate::mm::CellId;

fn frames(first: u64, count: usize) -> Frames {
    Frames::new(Ppn(first), vec![FrameMeta::RESERVED; count].leak())
}

/// Frames that are all free and that everybody may use up.
fn free_frames(count: usize) -> Frames {
    let mut frames = frames(0x8_0000, count);
    frames.donate(frames.range());
    frames.set_min_free_kbytes(0);
    frames
}

fn disagreements(frames: &Frames) -> Vec<Disagreement> {
    let mut found = Vec::new();
    check(frames, &mut |disagreement| found.push(disagreement));
    found
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Alloc(Class),
    Block(u8, Class),
    /// The n-th of what is allocated, modulo how much there is.
    Free(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let class = prop_oneof![Just(Class::User), Just(Class::Kernel), Just(Class::Atomic)];
    prop_oneof![
        4 => class.clone().prop_map(Step::Alloc),
        2 => (0..=MAX_ORDER + 1, class).prop_map(|(order, class)| Step::Block(order, class)),
        4 => any::<usize>().prop_map(Step::Free),
    ]
}

/// What is free, a bit per frame.
struct Bitmap {
    first: u64,
    free: Vec<bool>,
}

impl Bitmap {
    fn count(&self) -> u64 {
        self.free.iter().filter(|free| **free).count() as u64
    }

    fn block(&mut self, frame: Ppn, order: u8) -> &mut [bool] {
        &mut self.free[(frame.0 - self.first) as usize..][..1 << order]
    }

    fn has_block(&mut self, order: u8) -> bool {
        let end = self.first + self.free.len() as u64;
        let mut frame = self.first.next_multiple_of(1 << order);
        while frame + (1 << order) <= end {
            if self.block(Ppn(frame), order).iter().all(|free| *free) {
                return true;
            }
            frame += 1 << order;
        }
        false
    }

    fn floor(frames: &Frames, class: Class) -> u64 {
        let marks = frames.watermarks();
        match class {
            Class::User => marks.low,
            Class::Kernel => marks.min,
            Class::Atomic => marks.min / 2,
        }
    }
}

proptest! {
    #[test]
    fn the_allocator_is_a_bitmap(
        first in 0x8_0000_u64..0x8_0800,
        gap in 0_u64..40,
        count in 200_usize..1500,
        min_kbytes in 0_u64..200,
        steps in vec(step(), 1..300),
    ) {
        let mut frames = frames(first, count);
        let middle = first + count as u64 / 3;
        let end = Ppn(first + count as u64);
        frames.donate(Ppn(middle + gap)..end);
        frames.donate(Ppn(first)..Ppn(middle));
        frames.set_min_free_kbytes(min_kbytes);
        let gauge: &AtomicU32 = Box::leak(Box::default());
        frames.publish_to(gauge);
        let mut bitmap = Bitmap { first, free: vec![true; count] };
        bitmap.free[(middle - first) as usize..][..gap as usize].fill(false);
        let mut held: Vec<(Ppn, u8)> = Vec::new();
        for step in steps {
            let got = match step {
                Step::Alloc(class) => {
                    let room = bitmap.count() > Bitmap::floor(&frames, class);
                    let got = frames.alloc(class, Owner::Kernel).ok();
                    prop_assert_eq!(got.is_some(), room);
                    got.map(|frame| (frame, 0))
                }
                Step::Block(order, class) => {
                    let wanted = Bitmap::floor(&frames, class) + (1 << order);
                    let room = order <= MAX_ORDER
                        && bitmap.count() >= wanted
                        && bitmap.has_block(order);
                    let got = frames.alloc_block(order, class, Owner::Table).ok();
                    prop_assert_eq!(got.is_some(), room, "order {}", order);
                    got.map(|frame| (frame, order))
                }
                Step::Free(_) if held.is_empty() => None,
                Step::Free(which) => {
                    let (frame, order) = held.swap_remove(which % held.len());
                    bitmap.block(frame, order).fill(true);
                    match order {
                        0 => frames.free(frame),
                        order => frames.free_block(frame, order),
                    }
                    None
                }
            };
            if let Some((frame, order)) = got {
                prop_assert!(frame.0.is_multiple_of(1 << order));
                let block = bitmap.block(frame, order);
                prop_assert!(block.iter().all(|free| *free));
                block.fill(false);
                held.push((frame, order));
            }
            prop_assert_eq!(bitmap.count(), frames.free_frames());
            let for_users = bitmap.count().saturating_sub(frames.watermarks().low);
            let published = u64::from(gauge.load(Ordering::Relaxed));
            prop_assert!(published <= for_users, "{} of {}", published, for_users);
            let hot = u64::from(frames.hot_frames);
            prop_assert!(published + hot >= for_users, "{} of {}", published, for_users);
            prop_assert_eq!(disagreements(&frames), []);
        }
        let blocks = frames.free_blocks().into_iter().enumerate();
        prop_assert_eq!(blocks.map(|(order, blocks)| blocks << order).sum::<u64>(), bitmap.count());
    }
}

#[test]
fn what_is_given_back_becomes_whole_again() {
    let mut frames = free_frames(2048);
    let taken: Vec<Ppn> =
        (0..2048).map(|_| frames.alloc(Class::User, Owner::Kernel).expect("free")).collect();
    assert_eq!(frames.alloc(Class::Atomic, Owner::Kernel), Err(OutOfMemory));
    // Odd ones first: nothing can join until their neighbours come.
    let (odd, even): (Vec<Ppn>, Vec<Ppn>) = taken.into_iter().partition(|frame| frame.0 % 2 == 1);
    odd.into_iter().chain(even).for_each(|frame| frames.free(frame));
    for _ in 0..2 {
        assert!(frames.alloc_block(MAX_ORDER, Class::User, Owner::Kernel).is_ok());
    }
    assert_eq!(frames.free_frames(), 0);
    assert_eq!(disagreements(&frames), []);
}

#[test]
fn a_frame_freed_last_is_the_next_one() {
    let mut frames = free_frames(64);
    let [one, two] = [(); 2].map(|()| frames.alloc(Class::User, Owner::Kernel).expect("free"));
    frames.free(one);
    frames.free(two);
    assert_eq!(frames.alloc(Class::User, Owner::Table), Ok(two));
    assert_eq!(frames.alloc(Class::User, Owner::Table), Ok(one));
}

#[test]
fn watermarks_grow_with_the_root_of_ram() {
    for (mib, min) in [(4, 16), (16, 32), (128, 90), (1024, 256), (4096, 512), (1 << 26, 16384)] {
        assert_eq!(marks::min_frames(mib * 256), min, "{mib} MiB");
    }
    let mut frames = frames(0x8_0000, 1024);
    frames.donate(frames.range());
    assert_eq!(frames.watermarks(), Watermarks { min: 16, low: 32, high: 48 });
    for class in [Class::User, Class::Kernel, Class::Atomic] {
        while frames.alloc(class, Owner::Kernel).is_ok() {}
        assert_eq!(frames.free_frames(), Bitmap::floor(&frames, class), "{class:?}");
    }
    frames.set_min_free_kbytes(u64::MAX);
    assert_eq!(frames.min_free_kbytes(), 2048);
}

#[test]
fn owners_are_counted() {
    let mut frames = free_frames(32);
    let cell = CellId(7.try_into().expect("not 0"));
    let frame = frames.alloc(Class::User, Owner::Anon(cell)).expect("free");
    let block = frames.alloc_block(2, Class::User, Owner::Kernel).expect("free");
    assert_eq!(frames.owner(frame), Owner::Anon(cell));
    assert_eq!([Kind::Anon, Kind::Kernel, Kind::Free].map(|kind| frames.count(kind)), [1, 4, 27]);
    frames.map(frame);
    assert!(frames.map_cell(frame));
    let page = Owner::Object(cell);
    frames.set_owner(frame, page);
    let unmap = |frames: &mut Frames| {
        let meta = frames.unmap(frame);
        (meta.owner(), meta.mapped())
    };
    assert_eq!((frames.mapped(frame), unmap(&mut frames)), (2, (page, 1)));
    assert_eq!([Kind::Anon, Kind::Object].map(|kind| frames.count(kind)), [0, 1]);
    assert!(!frames.map_cell(frame));
    assert_eq!(unmap(&mut frames), (page, 0));
    frames.free(frame);
    frames.free_block(block, 2);
    assert_eq!(frames.free_frames(), 32);
    let outside = Ppn(0x8_0000 + 32);
    assert_eq!((frames.owner(outside), frames.mapped(outside)), (Owner::Reserved, 0));
    assert_eq!(disagreements(&frames), []);
}

/// What must not be done to a frame that is the kernel's.
type Mistake = fn(&mut Frames, Ppn);

fn panics(mistake: Mistake) -> bool {
    let mut frames = free_frames(32);
    let frame = frames.alloc(Class::User, Owner::Kernel).expect("free");
    let attempt = std::panic::AssertUnwindSafe(|| mistake(&mut frames, frame));
    std::panic::catch_unwind(attempt).is_err()
}

#[test]
fn mistakes_are_caught() {
    let mistakes: [(&str, Mistake); 11] = [
        ("freed twice", |frames, frame| {
            frames.free(frame);
            frames.free(frame);
        }),
        ("freed while mapped", |frames, frame| {
            frames.set_owner(frame, Owner::Zero);
            frames.map(frame);
            frames.free(frame);
        }),
        ("freed while pinned", |frames, frame| {
            frames.pin(frame);
            frames.free(frame);
        }),
        ("kernel's mapped", |frames, frame| frames.map(frame)),
        ("unmapped too often", |frames, frame| {
            frames.unmap(frame);
        }),
        ("unpinned too often", |frames, frame| {
            frames.unpin(frame);
        }),
        ("pinned while free", |frames, frame| frames.pin(Ppn(frame.0 + 1))),
        ("given away while free", |frames, frame| {
            frames.set_owner(Ppn(frame.0 + 1), Owner::Table);
        }),
        ("made free by its owner", |frames, frame| frames.set_owner(frame, Owner::Free)),
        ("mapped and given to the kernel", |frames, frame| {
            frames.set_owner(frame, Owner::Zero);
            frames.map(frame);
            frames.set_owner(frame, Owner::Table);
        }),
        ("donated twice", |frames, _| frames.donate(frames.range())),
    ];
    for (what, mistake) in mistakes {
        assert!(panics(mistake), "{what}");
    }
    assert!(!panics(|frames, frame| frames.free(frame)));
}
