//! Translation on the host's clock: the walk alone, TLB hits and misses, each form of fence, and
//! switches of address spaces. `tables.rs` makes the page tables; guest programs under
//! `benches/guest` measure the same from inside the machine.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pagewalk::addr::{Access, Asid, PAGE_SIZE_BYTES, Privilege, VirtAddr};
use pagewalk::mmu::{Context, Mode, Pte, walk};

mod tables;
use tables::{RAM_BASE, RWX, Tables, World};

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = walks, walks_that_fault, hits, misses, fences, fences_among_spaces, switches
}
criterion_main!(benches);

/// What a last-level table maps, and what a megapage does.
const MEGAPAGE_BYTES: u64 = 1 << 21;

/// More base pages than any TLB here holds.
const MANY_PAGES: u64 = 1 << 15;

/// Where single mappings are tried.
const VA: u64 = 0x4060_5000;

/// Translations by [`walk`], without TLB: by number of levels, by size of the leaf.
fn walks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk");
    group.throughput(Throughput::Elements(1));
    for (name, mode, level, bits) in [
        ("sv39", Mode::Sv39, 0, 0),
        ("sv48", Mode::Sv48, 0, 0),
        ("sv57", Mode::Sv57, 0, 0),
        ("sv39-napot", Mode::Sv39, 0, Pte::N),
        ("sv39-2m", Mode::Sv39, 1, 0),
        ("sv39-1g", Mode::Sv39, 2, 0),
    ] {
        // The size of a NAPOT range is in the page number.
        let pa = if bits == Pte::N { RAM_BASE + 0x8000 } else { RAM_BASE };
        let (mut world, space) = World::new(mode);
        world.map(&space, VA, level, pa, RWX | bits);
        assert!(translates(&mut world, &space));
        group.bench_function(name, |bencher| bencher.iter(|| translates(&mut world, &space)));
    }
    group.finish();
}

/// Walks that end in a fault at each level, or before the first.
fn walks_that_fault(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk-fault");
    group.throughput(Throughput::Elements(1));
    for (name, level, bits) in [
        ("invalid-at-level-2", 2, 0),
        ("invalid-at-level-1", 1, 0),
        ("invalid-at-level-0", 0, 0),
        ("denied-at-level-0", 0, RWX & !Pte::R & !Pte::W),
        ("not-accessed-at-level-0", 0, RWX & !Pte::A),
    ] {
        let (mut world, space) = World::new(Mode::Sv39);
        world.map(&space, VA, level, RAM_BASE, bits);
        assert!(!translates(&mut world, &space));
        group.bench_function(name, |bencher| bencher.iter(|| translates(&mut world, &space)));
    }
    group.finish();
}

fn translates(world: &mut World, space: &Context) -> bool {
    let (mut tables, va) = (Tables(&mut world.bus.ram), black_box(VirtAddr(VA)));
    walk(&mut tables, va, Access::Load, space, &mut ()).is_ok()
}

/// Loads from pages that the TLB holds.
fn hits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tlb-hit");
    for pages in [1, 16, 256] {
        let (mut world, space) = World::new(Mode::Sv39);
        world.map_many(&space, pages, PAGE_SIZE_BYTES);
        world.touch(pages, PAGE_SIZE_BYTES);
        assert!((0..pages).all(|page| is_held(&world, page * PAGE_SIZE_BYTES)));
        group.throughput(Throughput::Elements(pages));
        group.bench_function(BenchmarkId::from_parameter(pages), |bencher| {
            bencher.iter(|| world.touch(black_box(pages), PAGE_SIZE_BYTES));
        });
    }
    group.finish();
}

/// Loads from pages that the TLB has lost by the time they come again: where the last-level
/// tables are few enough to be remembered, where they are not, and where megapages need none.
fn misses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tlb-miss");
    for (name, pages, stride_bytes) in
        [("known-table", MANY_PAGES, PAGE_SIZE_BYTES), ("full-walk", 8192, MEGAPAGE_BYTES)]
    {
        let (mut world, space) = World::new(Mode::Sv39);
        world.map_many(&space, pages, stride_bytes);
        bench_misses(&mut group, name, world, (pages, stride_bytes));
    }
    let (mut world, space) = World::new(Mode::Sv39);
    for index in 0..8192 {
        world.map(&space, index * MEGAPAGE_BYTES, 1, RAM_BASE, RWX);
    }
    bench_misses(&mut group, "megapage", world, (8192, MEGAPAGE_BYTES));
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn bench_misses(group: &mut Group<'_>, name: &str, mut world: World, (pages, stride): (u64, u64)) {
    world.touch(pages, stride);
    assert!((0..pages / 2).all(|page| !is_held(&world, page * stride)), "too few pages to miss");
    group.throughput(Throughput::Elements(pages));
    group.bench_function(name, |bencher| {
        bencher.iter(|| world.touch(black_box(pages), stride));
    });
}

fn is_held(world: &World, va: u64) -> bool {
    world.mmu.lookup(VirtAddr(va), Access::Load).is_some()
}

/// Each form of fence, with what it names.
const FENCES: [(&str, Option<VirtAddr>, Option<Asid>); 4] = [
    ("all", None, None),
    ("page", Some(VirtAddr(0)), None),
    ("space", None, Some(Asid(0))),
    ("page-space", Some(VirtAddr(0)), Some(Asid(0))),
];

/// A fence, and loads from all of the pages that the TLB held before it.
fn fences(criterion: &mut Criterion) {
    for (form, va, asid) in FENCES {
        let mut group = criterion.benchmark_group(format!("fence-and-reload/{form}"));
        for pages in [0, 16, 64, 256, 1024] {
            let (mut world, space) = World::new(Mode::Sv39);
            world.map_many(&space, pages, PAGE_SIZE_BYTES);
            world.touch(pages, PAGE_SIZE_BYTES);
            group.bench_function(BenchmarkId::from_parameter(pages), |bencher| {
                bencher.iter(|| {
                    world.mmu.sfence_vma(black_box(va), black_box(asid));
                    world.touch(pages, PAGE_SIZE_BYTES)
                });
            });
        }
        group.finish();
    }
}

/// Pages that each address space has in use.
const PAGES_PER_SPACE: u64 = 16;

/// The MMU after it has used `count` address spaces, the last of which is the current one.
fn many_spaces(count: usize) -> (World, Vec<Context>) {
    let (mut world, first) = World::new(Mode::Sv39);
    let mut spaces = vec![first];
    spaces.extend((1..count).map(|asid| world.space(Mode::Sv39, asid as u16)));
    for space in &spaces {
        world.map_many(space, PAGES_PER_SPACE, PAGE_SIZE_BYTES);
        world.mmu.set_contexts(*space, *space);
        world.touch(PAGES_PER_SPACE, PAGE_SIZE_BYTES);
    }
    (world, spaces)
}

/// Each form of fence alone, beside the entries of other address spaces.
fn fences_among_spaces(criterion: &mut Criterion) {
    for (form, va, asid) in FENCES {
        let mut group = criterion.benchmark_group(format!("fence-among-spaces/{form}"));
        for count in [1, 8, 64, 512] {
            let (mut world, _) = many_spaces(count);
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter(|| world.mmu.sfence_vma(black_box(va), black_box(asid)));
            });
        }
        group.finish();
    }
}

/// Address spaces in turn, alone and with the pages that each has in use; and to and fro between
/// the modes of one, as in a trap and the return from it.
fn switches(criterion: &mut Criterion) {
    for pages in [0, PAGES_PER_SPACE] {
        let mut group = criterion.benchmark_group(format!("switch/{pages}-pages"));
        for count in [2, 8, 64, 512] {
            let (mut world, spaces) = many_spaces(count);
            bench_switches(&mut group, &count.to_string(), &mut world, (&spaces, pages));
        }
        let (mut world, spaces) = many_spaces(1);
        let user = Context { privilege: Privilege::User, ..spaces[0] };
        bench_switches(&mut group, "trap", &mut world, (&[spaces[0], user], 0));
        group.finish();
    }
}

fn bench_switches(
    group: &mut Group<'_>,
    name: &str,
    world: &mut World,
    (spaces, pages): (&[Context], u64),
) {
    group.throughput(Throughput::Elements(spaces.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            for space in spaces {
                world.mmu.set_contexts(black_box(*space), black_box(*space));
                world.touch(pages, PAGE_SIZE_BYTES);
            }
        });
    });
}
