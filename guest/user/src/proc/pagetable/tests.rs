//! Tests of the tree and the walk.

use super::*;

/// Root 0x81000000, middle 0x81001000, leaves 0x81002000: three adjacent pages, one frame twice,
/// six scattered ones; then a megapage.
fn example() -> String {
    let mut text = String::from(
        "2 0x81000000 0 0x0000000000000000 0x0000000020400401 -------V\n\
         1 0x81001000 0 0x0000000000000000 0x0000000020400801 -------V\n",
    );
    let mut leaf = |index: u64, frame: u64, bits: u64, flags: &str| {
        text += &format!(
            "0 0x81002000 {index} {:#018x} {:#018x} {flags}\n",
            index << 12,
            frame << 10 | bits
        );
    };
    for page in 0..3 {
        leaf(16 + page, 0x82000 + page, 0x5b, "-A-UX-RV");
    }
    for page in 0..2 {
        leaf(19 + page, 0x80fff, 0x53, "-A-U--RV");
    }
    for page in 0..6 {
        leaf(21 + page, 0x83000 + page * page * 2, 0xd7, "DA-U-WRV");
    }
    text += "1 0x81001000 5 0x0000000000a00000 0x00000000210000d7 DA-U-WRV\n";
    text
}

#[test]
fn a_tree_folds_runs() {
    let text = example();
    let want = "\
root table 0x81000000 (level 2)
  [0] 0x0000000000-0x003fffffff -------V -> table 0x81001000
    [0] 0x0000000000-0x00001fffff -------V -> table 0x81002000
      [16..18] 0x0000010000-0x0000012fff -A-UX-RV -> 0x82000000-0x82002fff, 3 pages
      [19..20] 0x0000013000-0x0000014fff -A-U--RV -> 0x80fff000, one frame for 2 pages
      [21] 0x0000015000-0x0000015fff DA-U-WRV -> 0x83000000
      [22] 0x0000016000-0x0000016fff DA-U-WRV -> 0x83002000
      [23] 0x0000017000-0x0000017fff DA-U-WRV -> 0x83008000
      [24] 0x0000018000-0x0000018fff DA-U-WRV -> 0x83012000
      [25..26] 0x0000019000-0x000001afff DA-U-WRV -> 2 scattered frames
    [5] 0x0000a00000-0x0000bfffff DA-U-WRV -> 0x84000000 megapage
3 tables, 12 leaves, 2092 KiB mapped
";
    assert_eq!(tree(&parse(text.as_bytes()), Detail::Folded), want);
    let all = tree(&parse(text.as_bytes()), Detail::All);
    assert_eq!(all.lines().count(), 1 + 2 + 12 + 1);
    assert_eq!(tree(&[], Detail::Folded), "");
}

#[test]
fn a_walk_goes_from_the_root_to_the_page() {
    let text = example();
    let records = parse(text.as_bytes());
    let (shown, physical) = walk(&records, 0x11234);
    assert_eq!(physical, Some(0x8200_1234));
    let want = "\
0x11234: VPN[2] 0, VPN[1] 0, VPN[0] 17, offset 0x234
  level 2: table 0x81000000 entry 0: 0x0000000020400401 -------V -> table 0x81001000
  level 1: table 0x81001000 entry 0: 0x0000000020400801 -------V -> table 0x81002000
  level 0: table 0x81002000 entry 17: 0x000000002080045b -A-UX-RV -> page 0x82001000
  physical address 0x82001234
";
    assert_eq!(shown, want);
    assert_eq!(walk(&records, 0xa1_2345).1, Some(0x8401_2345));
    let (shown, physical) = walk(&records, 0x5000);
    assert_eq!(physical, None);
    assert!(shown.ends_with("no page: the entry is not valid\n"), "{shown}");
    assert_eq!(walk(&records, 1 << 37).1, None);
    assert_eq!(walk(&[], 0).1, None);
}

#[test]
fn what_is_no_record_is_left_out() {
    for line in ["", "x", "2 0x1 0 0x0 0x1", "9 0x1 0 0x0 0x1 -------V"] {
        assert_eq!(Record::parse(line.as_bytes()), None, "{line}");
    }
}
