//! What there is to be measured: [`PROGRAMS`], and [`GROUPS`] of rows as they are shown.

/// A benchmark program.
#[derive(Debug)]
pub(super) struct Program {
    /// Of its executable.
    pub(super) name: &'static str,
    /// It can be built for the host too.
    pub(super) portable: bool,
}

/// All of them, in the order in which they run.
pub(super) const PROGRAMS: [Program; 3] = [
    Program { name: "bench-memory", portable: true },
    Program { name: "bench-mmu", portable: false },
    Program { name: "bench-compute", portable: true },
];

/// Rows that belong together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    /// First parts of the rows' names.
    pub(super) heads: &'static [&'static str],
    /// Programs that print such rows; none where whole processes are measured.
    pub(super) programs: &'static [&'static str],
    /// What the number at the end of a row's name counts, where there is one.
    pub(super) counts: &'static str,
}

const fn group(
    title: &'static str,
    heads: &'static [&'static str],
    programs: &'static [&'static str],
) -> Group {
    Group { title, heads, programs, counts: "" }
}

const fn counting(counts: &'static str, group: Group) -> Group {
    Group { counts, ..group }
}

const MMU: &[&str] = &["bench-mmu"];
const MMU_AND_MEMORY: &[&str] = &["bench-mmu", "bench-memory"];

/// All groups, in the order in which they are shown.
pub(super) const GROUPS: [Group; 11] = [
    group("TLB hits", &["hit"], MMU_AND_MEMORY),
    counting("pages", group("TLB misses", &["miss"], MMU_AND_MEMORY)),
    group("Superpages", &["super"], MMU),
    counting("pages touched after it", group("Fences", &["fence"], MMU)),
    counting("address spaces", group("Switches of address space", &["switch"], MMU)),
    counting("user pages touched", group("Traps", &["ecall", "sum", "timer"], MMU)),
    group("Page faults", &["fault", "protect-copy", "churn"], MMU),
    group("Self-modifying code", &["smc"], MMU),
    group("Single accesses and bits", &["mmio", "amo", "lrsc", "mprv", "mxr"], MMU),
    group("Compute", &["compute"], &["bench-compute"]),
    group("Start and exit", &[STARTUP], &[]),
];

/// Head of the rows of whole processes.
pub(super) const STARTUP: &str = "startup";
/// Of groups that nobody foresaw.
const OTHERS: &str = "Others";

/// Where a row is shown: the number of its group, and the group's title.
pub(super) fn place(row: &str) -> (usize, &'static str) {
    let head = row.split('.').next().unwrap_or_default();
    let index = GROUPS.iter().position(|group| group.heads.contains(&head));
    index.map_or((GROUPS.len(), OTHERS), |index| (index, GROUPS[index].title))
}

/// Number at the end of a row's name, and what is before it; rows that have the rest in common
/// are shown together.
pub(super) fn numbered(row: &str) -> Option<(&str, u64)> {
    let (stem, number) = row.rsplit_once('.')?;
    Some((stem, number.parse().ok()?))
}

/// What the number at the end of a row's name counts.
pub(super) fn counts(row: &str) -> &'static str {
    GROUPS.get(place(row).0).map_or("", |group| group.counts)
}

/// Whether a program may print rows whose name contains the text. Only a text that begins with a
/// whole first part says which.
pub(super) fn may_print(program: &str, only: Option<&str>) -> bool {
    let head = only.and_then(|only| only.split('.').next()).unwrap_or_default();
    let group = GROUPS.iter().find(|group| group.heads.contains(&head));
    group.is_none_or(|group| group.programs.contains(&program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_names_programs_that_are_there() {
        for name in GROUPS.iter().flat_map(|group| group.programs) {
            assert!(PROGRAMS.iter().any(|program| program.name == *name), "{name}");
        }
    }

    #[test]
    fn rows_find_their_group() {
        for (row, title) in [
            ("hit.latency", "TLB hits"),
            ("protect-copy", "Page faults"),
            ("smc", "Self-modifying code"),
            ("startup.trivial", "Start and exit"),
            ("hits", "Others"),
            ("", "Others"),
        ] {
            assert_eq!(place(row).1, title, "{row}");
        }
    }

    #[test]
    fn only_programs_with_such_rows_run() {
        for (only, mmu, memory, compute) in [
            (None, true, true, true),
            (Some("compute.sha256"), false, false, true),
            (Some("compute"), false, false, true),
            (Some("fence.all"), true, false, false),
            (Some("hit."), true, true, false),
            (Some("startup"), false, false, false),
            // Anybody may have them.
            (Some("comp"), true, true, true),
            (Some("stride.4096"), true, true, true),
            (Some("sha256"), true, true, true),
        ] {
            assert_eq!(may_print("bench-mmu", only), mmu, "{only:?}");
            assert_eq!(may_print("bench-memory", only), memory, "{only:?}");
            assert_eq!(may_print("bench-compute", only), compute, "{only:?}");
        }
    }
}
