//! The nearest right name to a wrong one.

/// The candidate that `wrong` was most likely meant to be, if any is near.
pub(super) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong, &name.to_lowercase()), name))
        // A name of which nothing is left is not near.
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1) && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `"a", "b" and "c"`, for messages.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_near_and_only_the_near() {
        let keys = ["cert", "key", "ca", "systemRoots"];
        assert_eq!(nearest("crt", keys), Some("cert"));
        assert_eq!(nearest("system_roots", keys), Some("systemRoots"));
        assert_eq!(nearest("passphrase", keys), None);
        assert_eq!(nearest("a", ["b"]), None);
    }
}
