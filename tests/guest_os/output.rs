//! What the guest's programs print, read: [`Scene`]s of `vmdemo`, [`rows`] of `oscost`, whether all
//! tests of `vmtest` and `swaptest` have [`passed`].

use libtest_mimic::Failed;

/// A scene as it was played: `=== NAME: TITLE ===`, lines `  NAME: VALUE UNIT`, and the verdict
/// `scene NAME: ...`.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) name: &'a str,
    /// What the last line says of it.
    pub(crate) verdict: &'a str,
    numbers: Vec<(&'a str, &'a str)>,
}

impl<'a> Scene<'a> {
    /// All that were played, in order.
    pub(crate) fn read_all(text: &'a str) -> Result<Vec<Self>, Failed> {
        let mut scenes: Vec<Self> = Vec::new();
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("=== ") {
                let (name, _) = title.split_once(": ").ok_or("a title without a name")?;
                scenes.push(Self { name, verdict: "", numbers: Vec::new() });
                continue;
            }
            let Some(scene) = scenes.last_mut().filter(|scene| scene.verdict.is_empty()) else {
                continue;
            };
            if let Some(verdict) = line.strip_prefix("scene ") {
                let verdict = verdict.strip_prefix(scene.name).and_then(|v| v.strip_prefix(": "));
                scene.verdict = verdict.ok_or_else(|| format!("{line:?} in {}", scene.name))?;
            } else if let Some(number) = line.strip_prefix("  ") {
                scene.numbers.push(number.split_once(": ").ok_or("a number without a name")?);
            }
        }
        Ok(scenes)
    }

    /// What stands behind a name: value and unit.
    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Failed> {
        let found = self.numbers.iter().find(|(own, _)| *own == name);
        Ok(found.ok_or_else(|| format!("nothing is called {name:?}"))?.1)
    }

    /// The value behind a name: decimal, or hexadecimal with `0x`.
    pub(crate) fn number(&self, name: &str) -> Result<u64, Failed> {
        let text = self.text(name)?;
        let value = text.split(' ').next().unwrap_or_default();
        let number = match value.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => value.parse(),
        };
        Ok(number.map_err(|error| format!("{name}: {text:?}: {error}"))?)
    }

    /// All names and what stands behind them.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.numbers.iter().copied()
    }
}

/// Names of the scenes that `vmdemo` lists.
pub(crate) fn listed(text: &str) -> Vec<&str> {
    let from = text.lines().skip_while(|line| !line.starts_with("vmdemo shows "));
    let rows = from.skip(2).take_while(|line| line.starts_with("  "));
    rows.filter_map(|line| line.split_whitespace().next()).collect()
}

/// Lines `row NAME MINIMUM MEDIAN`.
pub(crate) fn rows(text: &str) -> Result<Vec<(&str, u64, u64)>, Failed> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("row "));
    rows.map(|row| {
        let mut fields = row.split(' ');
        let name = fields.next().unwrap_or_default();
        let mut number = || fields.next().and_then(|field| field.parse().ok());
        match (number(), number()) {
            (Some(minimum), Some(median)) => Ok((name, minimum, median)),
            _ => Err(format!("row {row}").into()),
        }
    })
    .collect()
}

/// All tests that a program has run have passed, and there were some.
pub(crate) fn passed(text: &str) -> Result<(), Failed> {
    let passed = text.lines().filter(|line| line.starts_with("ok ")).count();
    let total = format!("{passed} passed, 0 failed");
    if passed > 0 && text.lines().any(|line| line == total) {
        return Ok(());
    }
    let signs = ["FAILED", "panicked", " passed, "];
    let is_told = |line: &&str| signs.iter().any(|sign| line.contains(sign));
    let told: Vec<&str> = text.lines().filter(is_told).collect();
    let told = if told.is_empty() { crate::last_lines(text) } else { told.join("\n") };
    Err(format!("expected {total:?}:\n{told}").into())
}
