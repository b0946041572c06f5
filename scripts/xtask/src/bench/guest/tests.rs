//! Figures of made-up runs, recordings, and results as they are shown.

use super::machine::{Figures, linux_version};
use super::results::{Cost, Policy, Step, Throughput, Workload, decade, rate};
use super::*;

fn results() -> Results {
    let crowd = |processes: u64, control, touches: &[u64]| Throughput {
        processes,
        control,
        window_us: 4_000_000 * processes,
        touches: touches.to_vec(),
        swapped_in: 1,
        swapped_out: 2,
        suspended: 0,
    };
    let step =
        |name: &str, insns| Step { name: name.to_owned(), insns, swapped_in: 3, swapped_out: 4 };
    let steps = |insns: [u64; 3]| {
        ["write", "reread", "random"].iter().zip(insns).map(|(name, n)| step(name, n)).collect()
    };
    let cost =
        |system: &str, insns| Cost { system: system.to_owned(), ram: 9, steps: steps(insns) };
    Results {
        throughput: vec![
            crowd(1, false, &[5_000_000]),
            crowd(1, true, &[5_000_000]),
            crowd(8, false, &[20, 10, 0, 10, 0, 0, 0, 0]),
            crowd(8, true, &[1_000_000; 8]),
        ],
        workloads: vec![Workload {
            name: "loop".to_owned(),
            frames: 100,
            pages: 110,
            references: 1100,
            opt: 90,
            lru: 990,
            policies: vec![Policy { name: "clock".to_owned(), guest: 500, simulated: 600 }],
        }],
        costs: vec![cost("Pagewalk", [3999, 6001, 5]), cost("Linux 6.12", [1, 2, 3])],
        notes: vec!["a note".to_owned()],
        troubles: Vec::new(),
    }
}

#[test]
fn figures_are_read_from_a_console() {
    let text =
        "Hello\r\nfigure touches 7\r\n[ 1.0] figure no 1\nfigure touches 9\nfigure pages 3\n";
    let figures = Figures::parse(text.as_bytes()).unwrap();
    assert_eq!(figures.all("touches"), [7, 9]);
    assert_eq!(figures.one("pages").unwrap(), 3);
    for (name, complaint) in [("touches", "2 figures touches"), ("no", "0 figures no")] {
        assert_eq!(figures.one(name).unwrap_err().to_string(), complaint);
    }
    for line in ["figure a", "figure a b", "figure a -1", "figure a 1 2", "figure  1"] {
        let error = Figures::parse(line.as_bytes()).expect_err(line).to_string();
        assert_eq!(error, format!("not a figure: {}", line.trim_end()));
    }
}

#[test]
fn recordings_are_strings() {
    const WRITTEN: u32 = 1 << 31;
    let bytes =
        |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let recorded = bytes(&[2 | WRITTEN, 2, 0, 1]);
    let string = strings::parse(&recorded, 4).unwrap();
    let parts: Vec<_> = string.iter().map(|one| (one.page, one.write)).collect();
    assert_eq!(parts, [(2, true), (3, true), (0, false)]);
    for (bytes, pages) in [
        (&recorded[..], 3),
        (&recorded[..15], 4),
        (&[], 4),
        (&bytes(&[7, u32::MAX]), u64::from(u32::MAX)),
    ] {
        assert!(strings::parse(bytes, pages).is_err(), "{bytes:?} of {pages}");
    }
}

#[test]
fn pages_that_come_back_are_counted() {
    // A loop of four pages in three frames, five times: LRU and FIFO have none when they need it.
    let bytes: Vec<u8> = [0_u32, 4].iter().flat_map(|word| word.to_le_bytes()).collect();
    let string = strings::parse(&bytes.repeat(5), 4).unwrap();
    let counts = strings::count(&string, 3);
    assert_eq!((counts.distinct, counts.opt, counts.lru), (4, 5, 16));
    assert_eq!(counts.simulated.len(), 6);
    assert!(counts.simulated.iter().all(|count| *count >= counts.opt), "{counts:?}");
    let fits = strings::count(&string, 4);
    assert_eq!((fits.opt, fits.lru, fits.simulated), (0, 0, vec![0; 6]));
}

#[test]
fn goals_are_judged() {
    let goals = |results: &Results| {
        results.goals().iter().map(|goal| goal.met == Some(true)).collect::<Vec<_>>()
    };
    assert_eq!(goals(&results()), [true, true, true, false, true]);
    let mut poor = results();
    poor.throughput[3].touches = vec![500, 500, 500, 500, 500, 500, 999, 0];
    assert_eq!(goals(&poor)[..2], [false, false]);
    poor.throughput[3].window_us = 31_000_000;
    assert_eq!(goals(&poor)[..2], [true, true], "not all have had their turn");
    assert!(goals(&Results::default()).is_empty());
}

#[test]
fn everything_is_in_the_tables() {
    let text = show::table(&results());
    for part in [
        "8                          1.25    0 %   250 K  100 %  200000\n",
        "pages/frames  OPT  LRU  clock\n",
        "loop           1.1   90  990  500 (600)\n",
        "reading all of it in order, per page      6001           2  6000\n",
        "\na note\n",
        "\nBEHIND: reading all of it in order, per page: <= 6000 instructions\n",
        "\nmet: 8 processes touch >= 100 x as much\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let chart = show::chart(&results());
    assert!(chart.contains(">with load control<") && chart.contains(">250 K<"), "{chart}");
}

#[test]
fn the_readme_takes_the_tables_between_its_marks() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let once = readme::replaced(&text, show::MARKS, &show::section(&results())).unwrap();
    assert!(once.contains("\n| loop | 1.1 | 90 | 990 | 500 (600) |\n"), "{once}");
    assert!(once.contains(&format!("({CHART})\n")));
    let (begin, end) = show::MARKS;
    let outside = |text: &str| {
        let (before, rest) = text.split_once(begin).unwrap();
        (before.to_owned(), rest.split_once(end).unwrap().1.to_owned())
    };
    assert_eq!(outside(&once), outside(&text));
}

#[test]
fn results_survive_their_file() {
    let results = results();
    let text = results.to_json().unwrap();
    assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
    let path = root().join(JSON);
    assert!(read(&path).unwrap().are_sound(), "{} is of a run without trouble", path.display());
    assert!(read(&root().join("README.md")).is_err());
}

#[test]
fn rates_and_versions_have_their_words() {
    for (value, text) in [
        (0.0, "0.00"),
        (185.4, "185"),
        (999.4, "999"),
        (999.6, "1.00 K"),
        (12_345.0, "12.3 K"),
        (41_000_000.0, "41.0 M"),
    ] {
        assert_eq!(rate(value), text);
    }
    for (exponent, text) in [(0, "1"), (2, "100"), (3, "1 K"), (7, "10 M"), (10, "10 G")] {
        assert_eq!(decade(exponent), text);
    }
    let packages = "busybox-static_1\nlinux-image-6.12.107+deb13-riscv64_6.12\n";
    assert_eq!(linux_version(packages), "Linux 6.12.107");
    assert_eq!(linux_version(""), "Linux");
}
