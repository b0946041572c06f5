//! The interrupt controller as sources and contexts see it: scripts of accesses and levels, a
//! comparison with the specification's words for random ones.

use proptest::prelude::*;

use super::super::driver::Driver;
use super::*;

const HARTS: usize = 2;
/// Contexts by name: mode and hart.
const M0: u64 = 0;
const S0: u64 = 1;
const S1: u64 = 3;

fn priority(source: u64) -> u64 {
    4 * source
}

fn enable(context: u64, word: u64) -> u64 {
    0x2000 + 0x80 * context + 4 * word
}

fn threshold(context: u64) -> u64 {
    0x20_0000 + 0x1000 * context
}

fn claim(context: u64) -> u64 {
    threshold(context) + 4
}

/// One act of a script.
enum Act {
    Write(u64, u32),
    Read(u64, u32),
    /// Levels of the sources from here on.
    Sources(u64),
    /// Lines to the harts: M-mode's and S-mode's.
    Lines(u64, u64),
}
use Act::{Lines, Read, Sources, Write as Set};

fn check(script: &[Act]) {
    let mut driver = Driver::new(Plic::new(HARTS));
    for (step, act) in script.iter().enumerate() {
        match *act {
            Set(offset, value) => {
                assert_eq!(driver.write(offset, Width::Word, value.into()), Ok(()), "step {step}");
            }
            Read(offset, value) => {
                let read = driver.read(offset, Width::Word);
                assert_eq!(read, Ok(value.into()), "step {step}: read of {offset:#x}");
            }
            Sources(sources) => {
                driver.irq.sources = sources;
                driver.poll();
            }
            Lines(meip, seip) => {
                assert_eq!((driver.irq.meip, driver.irq.seip), (meip, seip), "step {step}");
            }
        }
    }
}

#[test]
fn a_source_goes_through_its_gateway_once_per_service() {
    check(&[
        Set(priority(10), 1),
        Set(enable(S0, 0), 1 << 10),
        Lines(0, 0),
        Sources(1 << 10),
        Lines(0, 0b01),
        Read(0x1000, 1 << 10),
        Read(claim(S0), 10),
        Lines(0, 0),
        Read(0x1000, 0),
        // Still high, but in service.
        Sources(1 << 10),
        Read(claim(S0), 0),
        Lines(0, 0),
        Set(claim(S0), 10),
        Lines(0, 0b01),
        Read(claim(S0), 10),
        Sources(0),
        Set(claim(S0), 10),
        Lines(0, 0),
        Read(0x1000, 0),
    ]);
}

#[test]
fn a_forwarded_request_is_not_taken_back() {
    check(&[
        Set(priority(3), 7),
        Sources(1 << 3),
        Sources(0),
        Read(0x1000, 1 << 3),
        // It waits for somebody who wants to hear of it.
        Set(enable(M0, 0), 1 << 3),
        Lines(0b01, 0),
        Read(claim(M0), 3),
        Set(claim(M0), 3),
        Lines(0, 0),
    ]);
}

#[test]
fn an_access_sees_sources_as_they_are() {
    let mut driver = Driver::new(Plic::new(HARTS));
    driver.write(priority(5), Width::Word, 1).unwrap();
    driver.write(enable(S1, 0), Width::Word, 1 << 5).unwrap();
    driver.irq.sources = 1 << 5;
    assert_eq!(driver.read(claim(S1), Width::Word), Ok(5), "without a poll before");
}

#[test]
fn completion_counts_only_from_a_context_that_enables_the_source() {
    let served = [
        Set(priority(10), 1),
        Set(enable(S0, 0), 1 << 10),
        Set(enable(S1, 0), 1 << 9),
        Sources(1 << 10),
        Read(claim(S0), 10),
    ];
    for (context, source, pending) in [
        (S0, 10, true),
        (S1, 10, false),
        (M0, 10, false),
        (S0, 9, false),
        (S0, 0, false),
        (S0, 64, false),
        (S0, 32 + 10, false),
        (S0, u32::MAX, false),
        (4, 10, false),
    ] {
        let mut driver = Driver::new(Plic::new(HARTS));
        for act in &served {
            match *act {
                Set(offset, value) => driver.write(offset, Width::Word, value.into()).unwrap(),
                Read(offset, value) => {
                    assert_eq!(driver.read(offset, Width::Word), Ok(value.into()));
                }
                Sources(sources) => driver.irq.sources = sources,
                Lines(..) => {}
            }
        }
        driver.write(claim(context), Width::Word, source.into()).unwrap();
        let found = driver.read(0x1000, Width::Word);
        assert_eq!(found, Ok(u64::from(pending) << 10), "context {context}, source {source}");
    }
}

#[test]
fn the_most_urgent_comes_first_and_the_lowest_number_among_equals() {
    check(&[
        Set(priority(1), 2),
        Set(priority(2), 5),
        Set(priority(33), 5),
        Set(priority(40), 7),
        Set(enable(S1, 0), u32::MAX),
        Set(enable(S1, 1), 0xff),
        Sources(1 << 1 | 1 << 2 | 1 << 7 | 1 << 33 | 1 << 40),
        Lines(0, 0b10),
        Read(0x1000, 1 << 1 | 1 << 2 | 1 << 7),
        Read(0x1004, 1 << 1 | 1 << 8),
        Read(claim(S1), 2),
        Read(claim(S1), 33),
        Read(claim(S1), 1),
        // Source 7 has priority 0, source 40 is not enabled.
        Read(claim(S1), 0),
        Lines(0, 0),
        Set(priority(7), 1),
        Read(claim(S1), 7),
    ]);
}

#[test]
fn the_threshold_masks_the_line_but_not_the_claim() {
    for (level, limit, line) in [(1, 0, 1), (1, 1, 0), (7, 6, 1), (7, 7, 0), (0, 0, 0)] {
        let claimed = if level == 0 { 0 } else { 4 };
        check(&[
            Set(priority(4), level),
            Set(enable(M0, 0), 1 << 4),
            Set(threshold(M0), limit),
            Sources(1 << 4),
            Lines(line, 0),
            Read(claim(M0), claimed),
        ]);
    }
}

#[test]
fn one_claim_withdraws_the_offer_to_all() {
    check(&[
        Set(priority(8), 3),
        Set(enable(M0, 0), 1 << 8),
        Set(enable(S0, 0), 1 << 8),
        Set(enable(S1, 0), 1 << 8),
        Sources(1 << 8),
        Lines(0b01, 0b11),
        Read(claim(S1), 8),
        Lines(0, 0),
        Read(claim(M0), 0),
        // Whoever enables the source may complete it.
        Set(claim(M0), 8),
        Lines(0b01, 0b11),
    ]);
}

#[test]
fn registers_keep_what_exists() {
    let mut driver = Driver::new(Plic::new(HARTS));
    for (offset, written, read) in [
        (priority(0), u32::MAX, 0),
        (priority(1), u32::MAX, 7),
        (priority(63), 9, 1),
        (priority(64), u32::MAX, 0),
        (0x0ffc, u32::MAX, 0),
        (0x1000, u32::MAX, 0),
        (0x1004, u32::MAX, 0),
        (0x1008, u32::MAX, 0),
        (enable(M0, 0), u32::MAX, u32::MAX - 1),
        (enable(M0, 1), 0x8000_0001, 0x8000_0001),
        (enable(M0, 2), u32::MAX, 0),
        (enable(S1, 0), 2, 2),
        (enable(4, 0), u32::MAX, 0),
        (THRESHOLD - 4, u32::MAX, 0),
        (threshold(M0), 0xf3, 3),
        (threshold(4), 1, 0),
        (claim(S0), 1, 0),
        (threshold(S0) + 8, u32::MAX, 0),
        (LEN_BYTES - 4, u32::MAX, 0),
    ] {
        driver.write(offset, Width::Word, written.into()).unwrap();
        assert_eq!(driver.read(offset, Width::Word), Ok(read.into()), "{offset:#x}");
    }
    driver.device.reset();
    for offset in [priority(1), enable(M0, 0), enable(M0, 1), threshold(M0)] {
        assert_eq!(driver.read(offset, Width::Word), Ok(0), "{offset:#x} after reset");
    }
}

#[test]
fn only_aligned_words_are_answered() {
    let mut driver = Driver::new(Plic::new(HARTS));
    for (offset, width) in [
        (priority(1), Width::Byte),
        (priority(1), Width::Half),
        (priority(2), Width::Double),
        (priority(1) + 2, Width::Word),
        (claim(S0) + 1, Width::Word),
    ] {
        assert_eq!(driver.read(offset, width), Err(BusFault), "{offset:#x} {width:?}");
        assert_eq!(driver.write(offset, width, 1), Err(BusFault), "{offset:#x} {width:?}");
    }
}

#[test]
fn registers_have_names() {
    let plic = Plic::new(HARTS);
    for (offset, name) in [
        (priority(10), Some("priority")),
        (0x1004, Some("pending")),
        (enable(S1, 1), Some("enable")),
        (threshold(S1), Some("threshold")),
        (claim(S1), Some("claim")),
        (threshold(S1) + 8, None),
    ] {
        assert_eq!(plic.register_name(offset), name, "{offset:#x}");
    }
}

/// Offsets that hit registers more often than chance would.
fn offset() -> impl Strategy<Value = u64> {
    let context = 0..6_u64;
    prop_oneof![
        (0..70_u64).prop_map(priority),
        (0..3_u64).prop_map(|word| 0x1000 + 4 * word),
        (context.clone(), 0..3_u64).prop_map(|(context, word)| enable(context, word)),
        context.clone().prop_map(threshold),
        context.prop_map(claim),
        (0..LEN_BYTES / 4).prop_map(|word| 4 * word),
    ]
}

proptest! {
    /// Whatever a guest does: nothing panics, a source is never offered while it is in service,
    /// and a line is high just where the context's own registers say so.
    #[test]
    fn random_accesses_keep_the_invariants(
        steps in prop::collection::vec((offset(), any::<u32>(), any::<u64>(), 0..3), 1..60)
    ) {
        let mut driver = Driver::new(Plic::new(HARTS));
        for (offset, value, sources, act) in steps {
            driver.irq.sources = sources;
            match act {
                0 => prop_assert!(driver.read(offset, Width::Word).is_ok()),
                1 => prop_assert_eq!(driver.write(offset, Width::Word, value.into()), Ok(())),
                _ => driver.poll(),
            }
            let plic = &driver.device;
            prop_assert_eq!(plic.pending & plic.in_service, 0);
            prop_assert_eq!((plic.pending | plic.in_service) & 1, 0);
            for (number, context) in plic.contexts.iter().enumerate() {
                let offered = (1..64).filter(|source| {
                    plic.pending & context.enabled & 1 << source != 0
                        && plic.priority[*source] > context.threshold
                });
                let lines = if number % 2 == 0 { driver.irq.meip } else { driver.irq.seip };
                prop_assert_eq!(lines >> (number / 2) & 1 != 0, offered.count() > 0);
            }
        }
    }
}
