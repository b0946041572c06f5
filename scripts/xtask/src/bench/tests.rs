//! Whole campaigns with peers that are shell scripts, and the table of what they found.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use results::{Cell, PeerInfo, Row, Unit};

/// A folder of scripts, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pagewalk-bench-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A peer that is a script; `$1` is the program, and the script may leave traces in its folder.
    fn peer(&self, name: &str, script: &str) -> Peer {
        let script = format!("cd {}\n{script}\n", self.0.display());
        let path = self.file(&format!("{name}.sh"), &script);
        Peer::parse(&format!("{name}=sh {} {{}} -m 1G", path.display())).unwrap()
    }

    fn campaign(&self, peers: Vec<Peer>) -> Campaign {
        let guest = self.file("bench-mmu", "");
        let programs = vec![Built { name: "bench-mmu".into(), guest, native: None }];
        let limit = Duration::from_secs(60);
        Campaign { peers, programs, trivial: None, rounds: 3, curve_rounds: 0, limit, only: None }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(campaign: &Campaign) -> Results {
    let host = Host { cpu: "A processor".into(), cpus: 2 };
    results(campaign, host, |_| ()).unwrap()
}

fn row<'a>(results: &'a Results, name: &str) -> &'a Row {
    results.rows.iter().find(|row| row.name == name).expect(name)
}

#[test]
fn rounds_are_summed_up_and_goals_judged() {
    let folder = Folder::new();
    let peers = vec![
        folder.peer(
            PAGEWALK,
            "echo >>rounds; n=$(wc -l <rounds)
             echo row ecall.0 10 ${n}00 50 0x7
             echo row smc 1 150 30 0x1
             echo row fence.all.0 1 30 9 0x2",
        ),
        folder.peer(
            QEMU,
            "echo row ecall.0 1 200 999 0x7
             echo row smc 1 4000 999 0x1
             echo row fence.all.0 1 60 999 0x2
             echo row other 1 5 0 0x0",
        ),
        folder.peer("rvvm", "echo row smc 1 20 0 0xbad; echo skip ecall.0: not today"),
    ];
    let results = run(&folder.campaign(peers));
    let ecall = row(&results, "ecall.0");
    assert_eq!(ecall.cells[PAGEWALK].samples, [10.0, 20.0, 30.0]);
    assert_eq!(ecall.times_as_fast(QEMU), Some(10.0));
    assert_eq!(ecall.instructions, Some(5.0), "as Pagewalk counts them");
    assert_eq!(ecall.cells[QEMU].mips, Some(25.0));
    assert_eq!(ecall.goals[0].met, Some(true));
    assert_eq!(row(&results, "fence.all.0").goals[0].met, Some(false));
    assert!(row(&results, "smc").cells["rvvm"].wrong.is_some());
    assert!(row(&results, "smc").cells[PAGEWALK].wrong.is_none());
    assert!(!results.are_sound());
    let text = table::render(&results);
    let (_, table) = text.split_once("\n\n").expect("a head");
    let expect = "
               pagewalk     qemu   rvvm  x qemu  x rvvm  MIPS  goal
Fences
  fence.all.0   30.0 ns  60.0 ns      -    2.00       -   300  >= 8 x qemu BEHIND
Traps
  ecall.0       20.0 ns   200 ns      -    10.0       -   250  >= 8 x qemu met
Self-modifying code
  smc            150 ns  4.00 µs  WRONG    26.7       -   200  <= 150 ns met
Others
  other               -  5.00 ns      -       -       -     -

ecall.0 on rvvm: not today
WRONG: smc on rvvm: checksum 0xbad instead of 0x1

2 of 3 goals met; behind: fence.all.0
";
    assert_eq!(table, &expect[1..].replace("<= 150 ns", "<= 200 ns"));
}

#[test]
fn who_fails_is_not_asked_again_and_said() {
    let folder = Folder::new();
    let peers = vec![
        folder.peer(PAGEWALK, "echo >>$$.own; echo row smc 1 150 30 0x1"),
        folder.peer("code", "echo >>$$.code; echo row smc 1 1 1 0x1; echo oh >&2; exit 3"),
        folder.peer("signal", "kill -9 $$"),
        folder.peer("garbage", "head -c 100 /dev/urandom; echo; echo row what"),
        folder.peer("silent", ""),
    ];
    let results = run(&folder.campaign(peers));
    assert_eq!(
        results.troubles,
        [
            "bench-mmu on code: exit code 3: oh",
            "bench-mmu on signal: killed by signal 9",
            "bench-mmu on garbage: not a row: row what",
            "bench-mmu on silent: it printed no rows",
        ]
    );
    let count = |suffix: &str| {
        let files = fs::read_dir(&folder.0).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().unwrap() == suffix).count()
    };
    fs::remove_file(folder.0.join("bench-mmu")).unwrap();
    assert_eq!((count("own"), count("code")), (3, 1));
    assert_eq!(row(&results, "smc").cells.len(), 1, "figures of a failed run do not count");
    assert!(!results.are_sound());
    assert!(table::render(&results).contains("\nFAILED: bench-mmu on code: exit code 3: oh\n"));
}

#[test]
fn rows_before_the_time_limit_count() {
    let folder = Folder::new();
    let peer = folder.peer(PAGEWALK, "echo row smc 1 150 30 0x1; exec sleep 1000");
    let limit = Duration::from_secs(1);
    let results = run(&Campaign { limit, ..folder.campaign(vec![peer]) });
    assert_eq!(row(&results, "smc").cells[PAGEWALK].samples, [150.0]);
    assert_eq!(
        results.troubles,
        ["bench-mmu on pagewalk: not over after 1 s: row smc 1 150 30 0x1"]
    );
}

#[test]
fn starts_and_sizes_of_ram_are_measured() {
    let folder = Folder::new();
    // `$3` is the size of RAM.
    let script = "echo $3 >>sizes; echo row fence.all.0 1 ${3%[GM]} 1 0x1; echo row smc 1 2 3 0x4";
    let peers = vec![folder.peer(PAGEWALK, script), folder.peer(QEMU, script)];
    let campaign = Campaign {
        trivial: Some(folder.file("trivial", "")),
        rounds: 1,
        curve_rounds: 1,
        ..folder.campaign(peers)
    };
    let results = run(&campaign);
    let names: Vec<&str> = results.rows.iter().map(|row| row.name.as_str()).collect();
    let starts = ["startup.trivial", "startup.memory", "startup.trivial.8g", "startup.memory.8g"];
    assert_eq!(names, [&["fence.all.0", "smc"][..], &starts].concat());
    for (name, peers) in starts.into_iter().zip([2, 2, 1, 1]) {
        let row = row(&results, name);
        assert_eq!(row.cells.len(), peers, "{name}");
        assert!(row.cells.values().all(|cell| cell.samples.len() == 3 && cell.min > 0.0));
        assert_eq!(row.goals.len(), 1);
    }
    let [curve] = &results.curves[..] else { panic!("{:?}", results.curves) };
    let medians = ["512M", "1G", "4G"].map(|memory| curve.figure(memory));
    assert_eq!(medians, [Some(512.0), Some(1.0), Some(4.0)]);
    let sizes = fs::read_to_string(folder.0.join("sizes")).unwrap();
    assert_eq!(sizes.matches("8G").count(), 3);
    assert!(table::render(&results).contains("512 ns  1.00 ns  4.00 ns      0.008\n"));
}

#[test]
fn only_the_rows_that_are_wanted_are_kept() {
    let folder = Folder::new();
    let script = "echo row fence.all.0 1 2 3 0x1; echo row smc 1 2 3 0x4; echo skip smc.no: no";
    let campaign = Campaign {
        trivial: Some(folder.file("trivial", "")),
        only: Some("all".into()),
        ..folder.campaign(vec![folder.peer(PAGEWALK, script)])
    };
    let results = run(&campaign);
    assert_eq!(results.rows.len(), 1);
    assert_eq!(results.rows[0].name, "fence.all.0");
    let none = Campaign { only: Some("nowhere".into()), ..campaign };
    let error = super::results(&none, Host::default(), |_| ()).unwrap_err().to_string();
    assert_eq!(error, "no row was measured: none has \"nowhere\" in its name");
}

#[test]
fn results_survive_their_file() {
    let folder = Folder::new();
    let script = "echo row smc 1 150 30 0x1; echo skip ecall.0: no";
    let mut campaign = folder.campaign(vec![folder.peer(PAGEWALK, script)]);
    campaign.rounds = 2;
    let results = run(&campaign);
    let path = folder.file("results.json", &results.to_json().unwrap());
    assert_eq!(read(&path).unwrap(), results);
    let broken = folder.file("broken.json", "{}");
    let error = format!("{:#}", read(&broken).unwrap_err());
    assert!(error.contains("broken.json is not a file of results: missing field"), "{error}");
    assert!(read(&folder.0.join("nowhere")).is_err());
}

#[test]
fn goals_are_held_against_rows() {
    let cell = |median: f64| Cell {
        median,
        min: median,
        max: median,
        samples: vec![median],
        mips: None,
        wrong: None,
    };
    let judged = |name: &str, unit, figures: &[(&str, f64)]| {
        let cells = figures.iter().map(|&(peer, figure)| (peer.to_owned(), cell(figure)));
        let (cells, skips) = (cells.collect(), Default::default());
        let row =
            Row { name: name.into(), unit, instructions: None, cells, skips, goals: Vec::new() };
        let verdicts = goals::judge(&row).into_iter();
        verdicts.map(|one| format!("{} {:?}", one.goal, one.met)).collect::<Vec<_>>().join(", ")
    };
    let both = |qemu| [(PAGEWALK, 100.0), (QEMU, qemu)];
    let all = [(PAGEWALK, 100.0), (QEMU, 20.0), (SPIKE, 119.0)];
    let ns = Unit::Nanoseconds;
    for (name, figures, expect) in [
        ("fence.all.64", &both(800.0)[..], ">= 8 x qemu Some(true)"),
        ("switch.asid.2", &both(799.0), ">= 8 x qemu Some(false)"),
        ("sum.8", &[(PAGEWALK, 1.0)], ">= 8 x qemu None"),
        ("timer", &[(QEMU, 1.0)], ">= 8 x qemu Some(false)"),
        ("protect-copy", &both(1e6), ">= 8 x qemu Some(true)"),
        ("miss.exec.stride.1024", &both(400.0), ">= 4 x qemu Some(true)"),
        ("miss.read.stride.512", &both(399.0), ">= 4 x qemu Some(false)"),
        ("miss.read.stride.256", &both(399.0), ""),
        ("miss.read.random.4096", &both(100.0), ""),
        ("hit.latency", &both(100.0), ""),
        ("summary", &both(100.0), ""),
        ("compute.sort", &all, ">= 0.17 x qemu Some(true), >= 1.2 x spike Some(false)"),
        ("compute.matrix", &all, ">= 0.3 x qemu Some(false)"),
        ("smc", &both(1.0), "<= 200 ns Some(true)"),
    ] {
        assert_eq!(judged(name, ns, figures), expect, "{name}");
    }
    let own = |figure: f64| [(PAGEWALK, figure)];
    for (name, unit, figure, expect) in [
        ("startup.trivial", Unit::Milliseconds, 5.0, "<= 5.00 ms Some(true)"),
        ("startup.trivial.8g", Unit::Milliseconds, 5.1, "<= 5.00 ms Some(false)"),
        ("startup.memory", Unit::Megabytes, 9.9, "<= 10.0 MB Some(true)"),
        ("startup.memory.8g", Unit::Megabytes, 10.1, "<= 10.0 MB Some(false)"),
    ] {
        assert_eq!(judged(name, unit, &own(figure)), expect, "{name}");
    }
}

#[test]
fn peers_are_defined_by_a_name_and_a_command() {
    let info = Peer::parse("a.b=run  -m 1G {} x").unwrap().info();
    let expect = PeerInfo { name: "a.b".into(), version: None, command: "run -m 1G {} x".into() };
    assert_eq!(info, expect);
    for (definition, complaint) in [
        ("run {}", "no `=` in \"run {}\""),
        ("=run {}", "\"\" is no name for a peer"),
        ("a b=run {}", "\"a b\" is no name for a peer"),
        ("a=", "\"a=\" has no command"),
        ("a=run", "\"a=run\" has no {} for the program"),
    ] {
        assert_eq!(Peer::parse(definition).unwrap_err().to_string(), complaint);
    }
}

#[test]
fn the_hosts_processor_is_named() {
    let cpuinfo = "processor\t: 0\nmodel name\t: A B: C\nprocessor\t: 1\n";
    assert_eq!(cpu_model(cpuinfo), Some("A B: C"));
    assert_eq!(cpu_model("processor : 0\n"), None);
}

#[test]
fn the_readme_takes_the_table_between_its_marks() {
    let folder = Folder::new();
    let script = "echo row smc 1 150 30 0x1; echo row hit.throughput 1 2 3 0x4";
    let mut results = run(&folder.campaign(vec![folder.peer(PAGEWALK, script)]));
    results.peers[0].version = Some("0.1".into());
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let once = readme::rewritten(&text, &results).unwrap();
    assert!(once.contains("\n| write code, `fence.i`, call it | 150 ns |  |  |  |\n"), "{once}");
    assert!(once.contains(&format!("({})\n", readme::CHART)));
    assert_eq!(readme::rewritten(&once, &results).unwrap(), once, "again and again");
    let outside = |text: &str| {
        let (before, rest) = text.split_once("<!-- scripts/bench").unwrap();
        let (_, after) = rest.rsplit_once("-->").unwrap();
        (before.to_owned(), after.to_owned())
    };
    assert_eq!(outside(&once), outside(&text));
    for broken in ["", "<!-- scripts/bench --readme: begin -->", &text.repeat(2)] {
        assert!(readme::rewritten(broken, &results).is_err());
    }
}
