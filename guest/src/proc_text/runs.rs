//! What /proc/frames and /proc/swapmap are made with: [`Runs`] joins neighbours that are alike.

/// Neighbours that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<T> {
    /// Number of the first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// What they are.
    pub like: T,
}

/// Joins things that come one by one, in order of their numbers.
#[derive(Clone, Copy, Debug)]
pub struct Runs<T> {
    open: Option<Run<T>>,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self { open: None }
    }
}

impl<T: PartialEq> Runs<T> {
    /// The thing with this number comes; the run that it does not belong to, and which is complete.
    pub fn push(&mut self, number: u64, like: T) -> Option<Run<T>> {
        if let Some(open) = &mut self.open
            && open.like == like
            && open.first + open.count == number
        {
            open.count += 1;
            return None;
        }
        self.open.replace(Run { first: number, count: 1, like })
    }

    /// Nothing comes any more; the last run.
    pub fn end(self) -> Option<Run<T>> {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_are_alike_are_joined() {
        let mut runs = Runs::default();
        let mut found = Vec::new();
        for (number, like) in [(5, 'a'), (6, 'a'), (7, 'b'), (9, 'b'), (10, 'b'), (11, 'a')] {
            found.extend(runs.push(number, like));
        }
        found.extend(runs.end());
        let found: Vec<_> = found.iter().map(|run| (run.first, run.count, run.like)).collect();
        assert_eq!(found, [(5, 2, 'a'), (7, 1, 'b'), (9, 2, 'b'), (11, 1, 'a')]);
        assert_eq!(Runs::<char>::default().end(), None);
    }
}
