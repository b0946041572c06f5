//! Performance counters: which there are, how they are found, started, stopped and read.

use super::fake::World;
use super::*;

const NUM: &str = "sbi_pmu_num_counters";
const INFO: &str = "sbi_pmu_counter_get_info";
const MATCH: &str = "sbi_pmu_counter_config_matching";
const START: &str = "sbi_pmu_counter_start";
const STOP: &str = "sbi_pmu_counter_stop";
const READ: &str = "sbi_pmu_counter_fw_read";
const READ_HI: &str = "sbi_pmu_counter_fw_read_hi";

const CYCLES: u64 = 1;
const INSTRUCTIONS: u64 = 2;
const IPI_SENT: u64 = 0xf_0006;
const IPI_RECEIVED: u64 = 0xf_0007;
const SET_TIMER: u64 = 0xf_0005;

const SKIP: u64 = 1;
const CLEAR: u64 = 2;
const AUTO_START: u64 = 4;

const MCOUNTINHIBIT: u16 = 0x320;
const MINSTRET: u16 = 0xb02;

/// Calls of hart 0, one after the other.
fn script(world: &mut World, calls: &[(&str, &[u64], Outcome)]) {
    for (step, (name, args, outcome)) in calls.iter().enumerate() {
        let found = world.call_from(0, name, args);
        assert_eq!(found, *outcome, "step {step}: {name} {args:x?}");
    }
}

#[test]
fn there_are_two_in_hardware_and_sixteen_in_firmware() {
    const FIRMWARE: u64 = 1 << 63 | 63 << 12;
    script(
        &mut World::new(&config()),
        &[
            (NUM, &[], value(19)),
            (INFO, &[0], value(0xc00 | 63 << 12)),
            (INFO, &[1], error(Error::InvalidParam)),
            (INFO, &[2], value(0xc02 | 63 << 12)),
            (INFO, &[3], value(FIRMWARE)),
            (INFO, &[18], value(FIRMWARE)),
            (INFO, &[19], error(Error::InvalidParam)),
            (INFO, &[ALL], error(Error::InvalidParam)),
        ],
    );
}

#[test]
fn a_counter_is_found_for_an_event() {
    let nothing = || error(Error::NotSupported);
    let invalid = || error(Error::InvalidParam);
    for (args, outcome) in [
        ([0, 0x7fffd, 0, CYCLES, 0], value(0)),
        ([0, 0x7fffd, 0, INSTRUCTIONS, 0], value(2)),
        ([0, 0x7fffd, 0, IPI_SENT, 0], value(3)),
        ([5, 0b110, 0, IPI_SENT, 0], value(6)),
        ([2, 0b1, 0, CYCLES, 0], nothing()),
        ([3, 0b1, 0, CYCLES, 0], nothing()),
        ([0, 0b1, 0, IPI_SENT, 0], nothing()),
        // Cache misses, raw events; no event; firmware events that never happen here.
        ([0, 0x7fffd, 0, 4, 0], nothing()),
        ([0, 0x7fffd, 0, 0x2_0000, 0], nothing()),
        ([0, 0x7fffd, 0, 0, 0], nothing()),
        ([0, 0x7fffd, 0, 0xf_0000, 0], nothing()),
        ([0, 0x7fffd, 0, 0xf_000e, 0], nothing()),
        ([0, 0b1, SKIP, CYCLES, 0], value(0)),
        ([2, 0b1, SKIP, CYCLES, 0], nothing()),
        ([0, 0, 0, CYCLES, 0], invalid()),
        ([0, 0, SKIP, CYCLES, 0], invalid()),
        ([0, 0b11, 0, CYCLES, 0], invalid()),
        ([0, 1 << 19, 0, CYCLES, 0], invalid()),
        ([ALL, 0b10, 0, CYCLES, 0], invalid()),
        ([0, 0b1, 0x100, CYCLES, 0], invalid()),
    ] {
        script(&mut World::new(&config()), &[(MATCH, &args, outcome)]);
    }
}

#[test]
fn hardware_counters_start_and_stop() {
    let mut world = World::new(&config());
    script(
        &mut world,
        &[
            (START, &[2, 0b1, 0, 0], error(Error::InvalidParam)),
            (STOP, &[2, 0b1, 0], error(Error::AlreadyStopped)),
            (MATCH, &[2, 0b1, CLEAR, INSTRUCTIONS, 0], value(2)),
            (START, &[2, 0b1, 1, 500], value(0)),
            (START, &[2, 0b1, 1, 900], error(Error::AlreadyStarted)),
            (MATCH, &[2, 0b1, 0, INSTRUCTIONS, 0], error(Error::NotSupported)),
            (READ, &[2], error(Error::InvalidParam)),
        ],
    );
    assert_eq!(world.fake.csr(0, MCOUNTINHIBIT), 0);
    script(&mut world, &[(STOP, &[0, 0b101, 0], error(Error::AlreadyStopped))]);
    assert_eq!(world.fake.csr(0, MCOUNTINHIBIT), 0b100, "what could be stopped was");
    // The fake retires nothing; the writing instruction counts as one.
    assert_eq!(world.fake.csr(0, MINSTRET), 499);
    script(
        &mut world,
        &[
            (MATCH, &[0, 0b1, CLEAR | AUTO_START, CYCLES, 0], value(0)),
            (STOP, &[0, 0b1, 1], value(0)),
            (START, &[0, 0b1, 0, 0], error(Error::InvalidParam)),
        ],
    );
    assert_eq!(world.fake.csr(0, MCOUNTINHIBIT), 0b101);
}

#[test]
fn firmware_counters_count_what_the_firmware_does() {
    let mut world = World::new(&config());
    script(
        &mut world,
        &[
            (MATCH, &[3, 0xf, CLEAR, IPI_SENT, 0], value(3)),
            (MATCH, &[3, 0xf, CLEAR | AUTO_START, IPI_RECEIVED, 0], value(4)),
            ("sbi_send_ipi", &[0b11, 0], value(0)),
            (READ, &[3], value(0)),
            (START, &[3, 0b1, 1, 10], value(0)),
            ("sbi_send_ipi", &[0b1011, 0], value(0)),
            (READ, &[3], value(12)),
            (READ_HI, &[3], value(0)),
            (STOP, &[3, 0b11, 0], value(0)),
            ("sbi_send_ipi", &[0b10, 0], value(0)),
            (READ, &[3], value(12)),
            (READ, &[4], value(0)),
            // A stopped counter keeps its event.
            (MATCH, &[3, 0b11, 0, SET_TIMER, 0], error(Error::NotSupported)),
            (STOP, &[3, 0b1, 1], error(Error::AlreadyStopped)),
            (MATCH, &[3, 0b11, CLEAR | AUTO_START, SET_TIMER, 0], value(3)),
            ("sbi_set_timer", &[5], value(0)),
            (READ, &[3], value(1)),
            (READ, &[1], error(Error::InvalidParam)),
            (READ, &[19], error(Error::InvalidParam)),
            (READ_HI, &[0], error(Error::InvalidParam)),
        ],
    );
}

#[test]
fn each_firmware_event_is_counted_on_its_hart() {
    let all: &[u64] = &[0, ALL, 0, 0, 1];
    for (name, args, sent, received) in [
        ("sbi_send_ipi", all, 6, 7),
        ("sbi_remote_fence_i", all, 8, 9),
        ("sbi_remote_sfence_vma", all, 10, 11),
        ("sbi_remote_sfence_vma_asid", all, 12, 13),
        ("legacy sbi_send_ipi", &[0], 6, 7),
    ] {
        let mut world = World::new(&config());
        for hart in [0, 1] {
            for (code, counter) in [(sent, 3), (received, 4)] {
                let args = [3, 0b11, AUTO_START, 0xf_0000 | code, 0];
                assert_eq!(world.call_from(hart, MATCH, &args), value(counter));
            }
        }
        world.call_from(0, name, args);
        for (hart, counter, count) in [(0, 3, 2), (0, 4, 0), (1, 3, 0), (1, 4, 1)] {
            let found = world.call_from(hart, READ, &[counter]);
            assert_eq!(found, value(count), "{name}: hart {hart}, counter {counter}");
        }
    }
}

#[test]
fn snapshots_are_not_offered_and_other_flags_are_reserved() {
    script(
        &mut World::new(&config()),
        &[
            (MATCH, &[0, 0b1, 0, CYCLES, 0], value(0)),
            (START, &[0, 0b1, 2, 0], error(Error::NoShmem)),
            (START, &[0, 0b1, 4, 0], error(Error::InvalidParam)),
            (STOP, &[0, 0b1, 2], error(Error::NoShmem)),
            (STOP, &[0, 0b1, 4], error(Error::InvalidParam)),
            (START, &[0, 1 << 40, 0, 0], error(Error::InvalidParam)),
            (STOP, &[18, 0b10, 0], error(Error::InvalidParam)),
        ],
    );
}

#[test]
fn a_hart_that_starts_anew_has_forgotten_its_counters() {
    let mut world = World::new(&config());
    world.call_from(1, MATCH, &[3, 0b1, AUTO_START, IPI_SENT, 0]);
    world.call_from(1, "sbi_hart_stop", &[]);
    world.call_from(0, "sbi_hart_start", &[1, RAM, 0]);
    assert_eq!(world.call_from(1, MATCH, &[3, 0b1, 0, IPI_SENT, 0]), value(3));
}
