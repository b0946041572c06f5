//! Lines with a name and a number: `/proc/meminfo`, `/proc/vmstat`, `/proc/PID/status`, and most
//! lines of `/proc/stat`.

use crate::bytes;

/// Such a text.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a [u8]);

impl Table<'_> {
    /// The number behind a name, with or without a colon; none where the name is not there.
    pub fn get(&self, name: &str) -> Option<u64> {
        bytes::lines(self.0).find_map(|line| {
            let mut fields = bytes::fields(line);
            let first = fields.next()?;
            let is_it = first.strip_suffix(b":").unwrap_or(first) == name.as_bytes();
            if is_it { fields.next().and_then(bytes::decimal) } else { None }
        })
    }

    /// As [`Table::get`], 0 where there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_numbers() {
        let table = Table(b"MemTotal:  1024 kB\npgfault 7\nName:\tsh\npgfault2 8\n");
        assert_eq!(table.get("MemTotal"), Some(1024));
        assert_eq!(table.get("pgfault"), Some(7));
        assert_eq!(table.get("Name"), None);
        assert_eq!(table.get("pgfaul"), None);
        assert_eq!(table.number("none"), 0);
    }
}
