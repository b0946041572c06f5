//! QEMU's comma lists, `key=value,key=value`: the form of `-drive`, `-device` and many others.
//! [`Props`] takes one apart; what its keys mean is said in the file of each option.

/// One comma list, taken apart.
#[derive(Debug)]
pub(super) struct Props(Vec<(String, String)>);

impl Props {
    /// Takes `text` apart. A comma in a value is written twice; where the first item has no key,
    /// it is the value of `first_key`; any other item without a value is a switch that is on.
    ///
    /// # Errors
    /// In words, where an item has no key.
    pub(super) fn parse(text: &str, first_key: Option<&str>) -> Result<Self, String> {
        let mut pairs = Vec::new();
        for (index, item) in split(text).into_iter().enumerate() {
            let (key, value) = match (item.split_once('='), first_key) {
                (Some((key, value)), _) => (key, value),
                (None, Some(key)) if index == 0 => (key, item.as_str()),
                (None, _) => (item.as_str(), "on"),
            };
            if key.is_empty() {
                return Err(format!("`{item}` is no property: expected key=value"));
            }
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self(pairs))
    }

    /// There may be no keys but these.
    ///
    /// # Errors
    /// In words, with the nearest of them.
    pub(super) fn allow(&self, keys: &[&'static str]) -> Result<(), String> {
        match self.0.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) => Err(format!("unknown property `{key}`{}", did_you_mean(key, keys))),
        }
    }

    /// The value of `key`; where it is given more than once, the last one.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rfind(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// The value of a `key` that must be there.
    ///
    /// # Errors
    /// In words, where it is not.
    pub(super) fn demand(&self, key: &str) -> Result<&str, String> {
        self.get(key).filter(|value| !value.is_empty()).ok_or(format!("`{key}=` is missing"))
    }

    /// The value of a `key` that is a switch.
    ///
    /// # Errors
    /// In words, where it is neither on nor off.
    pub(super) fn switch(&self, key: &str) -> Result<Option<bool>, String> {
        self.get(key).map(|value| switch(key, value)).transpose()
    }

    /// The value of a `key` that is one of a few words, as what stands beside that word.
    ///
    /// # Errors
    /// In words, with the nearest one.
    pub(super) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == value);
        found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            format!("`{key}={value}` is not supported{}", did_you_mean(value, &names))
        })
    }
}

/// The items of a comma list, with doubled commas made single.
fn split(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ',' && chars.next_if_eq(&',').is_none() {
            items.push(String::new());
        } else if let Some(item) = items.last_mut() {
            item.push(c);
        }
    }
    items
}

/// What a switch says, in any of QEMU's spellings.
///
/// # Errors
/// In words, where it is neither on nor off.
pub(super) fn switch(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "on" | "yes" | "true" | "y" => Ok(true),
        "off" | "no" | "false" | "n" => Ok(false),
        _ => Err(format!("`{key}={value}`: expected on or off")),
    }
}

/// Advice for who has written `word`: all there is where that is little, else the nearest of it.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    const FEW: usize = 4;
    if known.len() <= FEW {
        return format!(" (there is {})", known.join(", "));
    }
    let nearest = known.iter().min_by_key(|name| strsim::damerau_levenshtein(word, name));
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_apart() {
        for (text, first_key, expect) in [
            ("a=1,b=2", None, "a:1 b:2"),
            ("x,b=2", Some("a"), "a:x b:2"),
            ("a=x,b=2", Some("a"), "a:x b:2"),
            ("x", None, "x:on"),
            ("a=1,readonly", None, "a:1 readonly:on"),
            ("file=a,,b.img,id=x", None, "file:a,b.img id:x"),
            ("file=a,,,,b", None, "file:a,,b"),
            ("file=a,,,id=x", None, "file:a, id:x"),
            ("a=b=c", None, "a:b=c"),
            ("a=", None, "a:"),
        ] {
            let props = Props::parse(text, first_key).unwrap();
            let pairs: Vec<_> = props.0.iter().map(|(k, v)| format!("{k}:{v}")).collect();
            assert_eq!(pairs.join(" "), expect, "{text}");
        }
        for text in ["", "a=1,", ",a=1", "=1", "a=1,=2"] {
            let error = Props::parse(text, None).unwrap_err();
            assert!(error.contains("expected key=value"), "{text}: {error}");
        }
    }

    #[test]
    fn values_are_checked() {
        let props = Props::parse("s=on,t=false,u=maybe,w=two,v=six,e=,i=a,i=b", None).unwrap();
        assert_eq!((props.get("i"), props.get("absent")), (Some("b"), None));
        assert_eq!(props.switch("s"), Ok(Some(true)));
        assert_eq!(props.switch("t"), Ok(Some(false)));
        assert_eq!(props.switch("absent"), Ok(None));
        assert_eq!(props.switch("u"), Err("`u=maybe`: expected on or off".to_owned()));
        let words = [("one", 1), ("two", 2)];
        assert_eq!(props.word("w", &words), Ok(Some(2)));
        let error = "`v=six` is not supported (there is one, two)";
        assert_eq!(props.word("v", &words), Err(error.to_owned()));
        assert_eq!(props.demand("e"), Err("`e=` is missing".to_owned()));
        assert_eq!(props.demand("absent"), Err("`absent=` is missing".to_owned()));
    }

    #[test]
    fn unknown_keys_get_advice() {
        let props = Props::parse("fiel=x", None).unwrap();
        let keys = ["file", "if", "format", "id", "snapshot"];
        let error = "unknown property `fiel`; did you mean `file`?";
        assert_eq!(props.allow(&keys), Err(error.to_owned()));
        let error = "unknown property `fiel` (there is a, b)";
        assert_eq!(props.allow(&["a", "b"]), Err(error.to_owned()));
        assert_eq!(props.allow(&["fiel"]), Ok(()));
    }
}
