//! Work on more memory than there is: a loop, a sort, a product of matrices. [`Pages`] is the memory
//! that they work on; it may write down what is touched.

use guest_user::Result;
use guest_user::sys::io;
use guest_user::sys::mapping::Mapping;

use crate::world::{PAGE, Random};

/// A workload: its name, how many pages it has for a hundred frames of RAM, and what it does.
pub(crate) type Workload = (&'static [u8], usize, fn(&mut Pages));

pub(crate) const WORKLOADS: [Workload; 3] =
    [(b"loop", 110, cycle), (b"quicksort", 200, sort), (b"matrix", 240, multiply)];

/// Times that the loop goes round.
const ROUNDS: usize = 10;
/// Size of the records that are sorted; the key is at the beginning.
const RECORD: usize = 256;
/// Distance of a matrix's elements.
const ELEMENT: usize = PAGE / 4;

/// Pages that were touched one behind the other.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: usize,
    count: usize,
    /// Whether each of them was written to.
    write: bool,
}

/// Writes down which pages are touched, as a run for each eight bytes of standard output: the first
/// page, with the top bit set where they are written to, and their count. Touching a page again
/// before any other is no new touch.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    /// The last page and whether it was written to: it may be yet.
    last: Option<(usize, bool)>,
    /// What was touched before it.
    run: Option<Run>,
}

impl Recorder {
    fn touch(&mut self, page: usize, write: bool) {
        match &mut self.last {
            Some((last, was_written)) if *last == page => *was_written |= write,
            _ => {
                self.put_last();
                self.last = Some((page, write));
            }
        }
    }

    fn put_last(&mut self) {
        let Some((page, write)) = self.last.take() else { return };
        match &mut self.run {
            Some(run) if run.write == write && run.first + run.count == page => run.count += 1,
            _ => {
                self.put_run();
                self.run = Some(Run { first: page, count: 1, write });
            }
        }
    }

    fn put_run(&mut self) {
        let Some(Run { first, count, write }) = self.run.take() else { return };
        io::write(&(first as u32 | u32::from(write) << 31).to_le_bytes());
        io::write(&(count as u32).to_le_bytes());
    }
}

/// Memory.
#[derive(Debug)]
pub(crate) struct Pages {
    memory: Mapping,
    recorder: Option<Recorder>,
}

impl Pages {
    /// Memory of so many pages whose touches are forgotten, or recorded.
    pub(crate) fn new(pages: usize, recorder: Option<Recorder>) -> Result<Self> {
        Ok(Self { memory: Mapping::private(pages * PAGE)?, recorder })
    }

    /// Nothing more is touched.
    pub(crate) fn finish(mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.put_last();
            recorder.put_run();
        }
    }

    fn pages(&self) -> usize {
        self.memory.len() / PAGE
    }

    #[inline(always)]
    fn read(&mut self, offset: usize) -> u64 {
        self.touch(offset / PAGE, false);
        self.memory.read(offset)
    }

    #[inline(always)]
    fn write(&mut self, offset: usize, value: u64) {
        self.touch(offset / PAGE, true);
        self.memory.write(offset, value);
    }

    #[inline(always)]
    fn touch(&mut self, page: usize, write: bool) {
        if let Some(recorder) = &mut self.recorder {
            recorder.touch(page, write);
        }
    }
}

/// All pages are written in order, again and again.
fn cycle(memory: &mut Pages) {
    for round in 0..ROUNDS {
        for page in 0..memory.pages() {
            memory.write(page * PAGE, (round + page) as u64);
        }
    }
}

/// Records with keys in any order are sorted.
fn sort(memory: &mut Pages) {
    let records = memory.pages() * PAGE / RECORD;
    let mut random = Random(1);
    for record in 0..records {
        let key = random.below(usize::MAX);
        memory.write(record * RECORD, key as u64);
    }
    quicksort(memory, 0, records);
    let mut last = 0;
    for record in 0..records {
        let key = memory.read(record * RECORD);
        assert!(last <= key, "record {record} is in order");
        last = key;
    }
}

/// Hoare's quicksort; the larger part is the loop's, so that the stack stays short.
fn quicksort(memory: &mut Pages, mut start: usize, mut end: usize) {
    while end - start > 1 {
        let middle = partition(memory, start, end);
        if middle - start < end - middle {
            quicksort(memory, start, middle);
            start = middle;
        } else {
            quicksort(memory, middle, end);
            end = middle;
        }
    }
}

fn partition(memory: &mut Pages, start: usize, end: usize) -> usize {
    let pivot = memory.read((start + (end - 1 - start) / 2) * RECORD);
    let (mut low, mut high) = (start, end - 1);
    loop {
        while memory.read(low * RECORD) < pivot {
            low += 1;
        }
        while memory.read(high * RECORD) > pivot {
            high -= 1;
        }
        if low >= high {
            return high + 1;
        }
        let [left, right] = [low, high].map(|record| memory.read(record * RECORD));
        memory.write(low * RECORD, right);
        memory.write(high * RECORD, left);
        low += 1;
        high -= 1;
    }
}

/// Two matrices are filled and multiplied, row by row.
fn multiply(memory: &mut Pages) {
    let size = (memory.pages() * PAGE / ELEMENT / 3).isqrt();
    let at = |matrix: usize, row: usize, column: usize| {
        ((matrix * size + row) * size + column) * ELEMENT
    };
    let (left, right, product) = (0, 1, 2);
    for row in 0..size {
        for column in 0..size {
            memory.write(at(left, row, column), (row + 1) as u64);
            memory.write(at(right, row, column), (column + 3) as u64);
        }
    }
    for row in 0..size {
        for column in 0..size {
            let mut sum = 0;
            for middle in 0..size {
                sum += memory.read(at(left, row, middle)) * memory.read(at(right, middle, column));
            }
            memory.write(at(product, row, column), sum);
        }
    }
    for row in 0..size {
        for column in 0..size {
            let want = (row + 1) * (column + 3) * size;
            assert_eq!(memory.read(at(product, row, column)), want as u64, "{row} {column}");
        }
    }
}
