//! What is not changed.

use super::*;

#[test]
fn what_cannot_be_read_is_not_changed() {
    for (text, line) in [
        ("a: 1\n b: 2", 2),
        ("a: 1\na: 2", 2),
        ("a: {b: 1,\n  b: 2}", 2),
        ("a: 1\n---\nb: 2", 2),
        ("a: [", 1),
        ("a: *x", 1),
        ("a: 1\r\nb: 2\rc: 3", 2),
        ("a:\n\tb: 1", 2),
        ("# c\n\u{feff}a: 1\n", 2),
    ] {
        let trouble = Yaml::parse(text).err();
        assert!(matches!(trouble, Some(Trouble::Syntax { line: at, .. }) if at == line), "{text:?}: {trouble:?}");
    }
    assert!(matches!(Yaml::parse("- a\n"), Err(Trouble::NoMap { line: 1, .. })));
    assert!(matches!(Yaml::parse("text\n"), Err(Trouble::NoMap { line: 1, .. })));
    for text in ["x: 1\nm: 1\n", "\nm: [{}]\n", "x: 1\nm:  \"\"\n"] {
        let mut document = Yaml::parse(text).unwrap();
        let trouble = Trouble::NoMap { line: 2, path: "m".to_owned() };
        assert_eq!(document.set(PATH, &entry()), Err(trouble));
        assert_eq!(document.remove(PATH), Ok(None));
        assert_eq!(document.remove(&["z"]), Ok(None));
        assert_eq!(document.text(), text);
    }
}

#[test]
fn what_others_refer_to_or_may_be_something_else_is_not_touched() {
    for text in [
        "m: &x\n  new: 1\nz: *x\n",
        "m: &x {new: 1}\n",
        "m: !t\n  new: 1\n",
        "x: &x {a: 1}\nm:\n  <<: *x\n  new: 1\n",
        "m:\n  new: &x 1\nz: *x\n",
        "m:\n  new: {a: [&x 1]}\n",
        "a: &x 1\nm:\n  new: &x 2\nz: *x\n",
        "m:\n  &a new: 1\n",
        "? m\n: new: 1\n",
        "m:\n  ? new\n  : 1\n",
        "? {m: 1}\n: 2\nm:\n  ? a\n  : 1\n  ? new\n  : 1\n",
        "m: {&x new: 1}\n",
        "m: {\n  # c\n  new: 1\n}\n",
        "m: {a: 1, # c\n  new: 1}\n",
    ] {
        let mut document = Yaml::parse(text).unwrap_or_else(|trouble| panic!("{text}: {trouble:?}"));
        assert!(document.get(PATH).is_some() || text.starts_with('?'), "{text}");
        assert!(matches!(document.remove(PATH), Err(Trouble::Strange) | Ok(None)), "{text}");
        assert_eq!(document.text(), text);
        // Another value leaves what stands around it.
        let kept = ["# c", "&a new", "&x new"];
        let set = document.set(PATH, &entry());
        assert!(
            set == Err(Trouble::Strange) || kept.iter().any(|kept| text.contains(kept)) && set.is_ok(),
            "{text}: {}",
            document.text()
        );
    }
    // The tag may be one that another value does not have.
    let mut document = Yaml::parse("m:\n  new: !t 1\n").unwrap();
    assert_eq!(document.set(PATH, &entry()), Err(Trouble::Strange));
    assert_eq!(document.remove(PATH), Ok(Some(vec![])));
    // What readers do not agree on: whether a text ends with a line break, and where a key in braces ends.
    for text in ["m:\n  a: |\n    text", "m: {a:\n  }\n", "m: {a: 1\t}\n"] {
        assert_eq!(Yaml::parse(text).unwrap().set(PATH, &entry()), Err(Trouble::Strange), "{text}");
    }
    let mut document = Yaml::parse("m: *x\n".replace("m:", "x: &x {a: 1}\nm:").as_str()).unwrap();
    assert_eq!(document.set(PATH, &entry()), Err(Trouble::NoMap { line: 2, path: "m".to_owned() }));
}
