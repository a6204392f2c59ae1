use super::*;
use crate::edit::jsonc::plain;
use crate::edit::samples::{self, Samples};
use crate::edit::{Document, Format};

fn entry() -> Value {
    Value::Map(vec![
        ("cmd".to_owned(), Value::text("/opt/\"é\"")),
        ("args".to_owned(), list(&["connect", "--config", "/etc/c.jsonc"])),
        ("enabled".to_owned(), Value::Bool(true)),
        ("timeout".to_owned(), Value::Number(300)),
        ("envs".to_owned(), Value::Map(vec![("NO".to_owned(), Value::text("no"))])),
        ("empty".to_owned(), Value::List(vec![Value::Map(vec![]), Value::List(vec![])])),
    ])
}

fn list(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|text| Value::text(text)).collect())
}

const PATH: &[&str] = &["m", "new"];

fn set(text: &str, path: &[&str], value: &Value) -> String {
    samples::set(Format::Yaml, text, path, value)
}

fn added(text: &str) -> String {
    set(text, PATH, &entry())
}

fn without(text: &str, path: &[&str]) -> (String, Vec<String>) {
    samples::without(Format::Yaml, text, path)
}

/// Every sample has a map with something in it, or one that is empty.
const SAMPLES: &[&str] = &[
    "m:\n  a:\n    cmd: x\n",
    "m:\n    a:\n        cmd: x # c\n        args:\n        - b\n\n# end\nother: 1\n",
    "m:\n  a: 1 # one\n    # in a\n  # end of m\n\nother: 1",
    "# head\n---\nm:\n  a: 1\n...\n# tail\n",
    "\u{feff}m:\r\n  a:\r\n    cmd: x\r\n\r\nother: 'y'\r\n",
    "m:\n  a: 1",
    "m:\n  a: 1\n\n  b: 2\n\n  # c\n  c: 3\n\n\n",
    "m: {}\n",
    "m: {} # c\nz: 1",
    "m: {a: 1}\n",
    "m: {a: 1, \"b\": [1, 2], c, d: ,} # c\n",
    "m: {\n  a: 1, # c\n  b: 2 # d\n}\nz: 1\n",
    "{\"m\": {\"a\": {\"cmd\": \"x\"}}}\n",
    "m: # c\n  a: |\n    text\n    # no comment\n\n  # c\n\nz: >+\n  x\n\n",
    "m:\n  a: |+\n    text\n\nz: 1\n",
    "m:\n  a: \"x\n\n    y\"\n  'b': p\n    q\n",
    "m:\n  a:\n  b: ~\n  # c\nz:\n",
    "m:\n  a:\n  - x\n  -\n  - - y\n    - z: 1\n",
    "%YAML 1.1\n---\nm:\n  a: !!str 1\n  b: !x {c: 1}\n",
    "x: &x\n  k: 1\nm:\n  a: *x\n  b:\n    <<: *x\n",
    "z:\n- a\n-   b: 1\n    c: 2\n\nm:\n   a:  {b: 1}  \n   \n\t\n",
    "\"m\" : \n  a : 1\n",
];

fn samples() -> Samples {
    Samples { format: Format::Yaml, texts: SAMPLES, map: "m", entry: entry() }
}

#[test]
fn what_was_added_and_removed_leaves_every_byte() {
    samples().leave_every_byte_when_added_and_removed();
}

#[test]
fn what_is_added_leaves_every_byte_of_the_others() {
    samples().get_one_piece(|text| text.replace("m: {} # c", "m: # c").replace("m: {}\n", "m:\n"));
}

#[test]
fn what_is_set_twice_is_as_if_set_once() {
    samples().are_set_twice_as_once();
}

#[test]
fn twenty_are_added_and_removed_in_any_order() {
    samples().take_twenty_in_any_order();
}

#[test]
fn an_entry_looks_like_the_file_that_it_stands_in() {
    insta::assert_snapshot!(added(""), @r#"
    m:
      new:
        cmd: "/opt/\"é\""
        args:
          - connect
          - "--config"
          - /etc/c.jsonc
        enabled: true
        timeout: 300
        envs:
          "NO": "no"
        empty:
          - {}
          - []
    "#);
    insta::assert_snapshot!(added(SAMPLES[1]), @r#"
    m:
        a:
            cmd: x # c
            args:
            - b
        new:
            cmd: "/opt/\"é\""
            args:
            - connect
            - "--config"
            - /etc/c.jsonc
            enabled: true
            timeout: 300
            envs:
                "NO": "no"
            empty:
            - {}
            - []

    # end
    other: 1
    "#);
    insta::assert_snapshot!(added(SAMPLES[2]), @r#"
    m:
      a: 1 # one
        # in a
      new:
        cmd: "/opt/\"é\""
        args:
          - connect
          - "--config"
          - /etc/c.jsonc
        enabled: true
        timeout: 300
        envs:
          "NO": "no"
        empty:
          - {}
          - []
      # end of m

    other: 1
    "#);
    insta::assert_snapshot!(added(SAMPLES[6]), @r#"
    m:
      a: 1

      b: 2

      # c
      c: 3

      new:
        cmd: "/opt/\"é\""
        args:
          - connect
          - "--config"
          - /etc/c.jsonc
        enabled: true
        timeout: 300
        envs:
          "NO": "no"
        empty:
          - {}
          - []
    "#);
    insta::assert_snapshot!(added(SAMPLES[10]), @r#"
    m: {a: 1, "b": [1, 2], c, d: , new: {cmd: "/opt/\"é\"", args: [connect, "--config", /etc/c.jsonc], enabled: true, timeout: 300, envs: {"NO": "no"}, empty: [{}, []]},} # c
    "#);
    insta::assert_snapshot!(added("a:\n- 1\n# last\n"), @r#"
    a:
    - 1
    # last

    m:
      new:
        cmd: "/opt/\"é\""
        args:
        - connect
        - "--config"
        - /etc/c.jsonc
        enabled: true
        timeout: 300
        envs:
          "NO": "no"
        empty:
        - {}
        - []
    "#);
}

#[test]
fn a_list_of_maps_has_a_dash_before_the_first_key_of_each() {
    let servers = Value::List(vec![Value::Map(vec![
        ("name".to_owned(), Value::text("corp")),
        ("env".to_owned(), Value::Map(vec![("A".to_owned(), Value::text("1"))])),
        ("args".to_owned(), Value::List(vec![Value::text("a")])),
    ])]);
    insta::assert_snapshot!(set("name: x\n\nversion: 1\n", &["mcpServers"], &servers), @r#"
    name: x

    version: 1

    mcpServers:
      - name: corp
        env:
          A: "1"
        args:
          - a
    "#);
}

#[test]
fn a_file_and_a_map_with_nothing_in_it_get_their_first() {
    let value = Value::Map(vec![("a".to_owned(), Value::Number(1))]);
    for (text, after) in [
        ("", "m:\n  new:\n    a: 1\n"),
        ("\r\n", "m:\r\n  new:\r\n    a: 1\r\n\r\n"),
        ("\u{feff}", "\u{feff}m:\n  new:\n    a: 1\n"),
        ("# mine", "# mine\n\nm:\n  new:\n    a: 1"),
        ("---\n", "---\nm:\n  new:\n    a: 1\n"),
        ("--- # c\n...\n# t\n", "--- # c\nm:\n  new:\n    a: 1\n...\n# t\n"),
        ("{}\n", "{m: {new: {a: 1}}}\n"),
        ("m:", "m:\n  new:\n    a: 1"),
        ("m:\n\nz: 1\n", "m:\n  new:\n    a: 1\n\nz: 1\n"),
        (
            "m: # c\n    # d\n# e\nz:\n    y:\n        x: 1\n",
            "m: # c\n    # d\n    new:\n        a: 1\n# e\nz:\n    y:\n        x: 1\n",
        ),
        ("m: null # c\nz: 1\n", "m: # c\n  new:\n    a: 1\nz: 1\n"),
        ("m:\n  # c\n  ~ # d\nz: 1\n", "m:\n  # c # d\n  new:\n    a: 1\nz: 1\n"),
        ("m: {new: }\n", "m: {new: {a: 1} }\n"),
        ("m: {new}\n", "m: {new: {a: 1}}\n"),
        ("m: {new, b: 1}\n", "m: {new: {a: 1}, b: 1}\n"),
    ] {
        assert_eq!(set(text, PATH, &value), after, "{text:?}");
    }
    assert_eq!(without("m:\n  # none\n  new: 1 # c\n", PATH).0, "m: {}\n  # none\n");
    assert_eq!(without("m:\n  new: 1\n", &["m"]).0, "");
    assert_eq!(without("# c\n---\nm: 1\n...\n", &["m"]).0, "# c\n---\n...\n");
}

#[test]
fn a_value_that_is_there_is_replaced_in_its_place() {
    insta::assert_snapshot!(added("# all\nm:\n  # one\n  new: # mine\n    cmd: x\n    # gone\n    b: 1 # gone\n    # stays\n\n  b: 2\n"), @r#"
    # all
    m:
      # one
      new: # mine
        cmd: "/opt/\"é\""
        args:
          - connect
          - "--config"
          - /etc/c.jsonc
        enabled: true
        timeout: 300
        envs:
          "NO": "no"
        empty:
          - {}
          - []
        # stays

      b: 2
    "#);
    let text = "m:\n  # one\n  new:\n    cmd: x # old\n    # two\n    args: [\"a\"] # three\n    d: |\n      x\n\n    e: 'y' # four\n";
    let after = |key: &str, value: &Value| set(text, &["m", "new", key], value);
    let list = list(&["b", "c"]);
    assert_eq!(after("cmd", &Value::text("y")), text.replace("cmd: x", "cmd: \"y\""));
    assert_eq!(after("args", &list), text.replace("[\"a\"]", "[b, c]"));
    assert_eq!(after("cmd", &list), text.replace("cmd: x # old", "cmd: # old\n      - b\n      - c"));
    assert_eq!(after("d", &list), text.replace("d: |\n      x", "d:\n      - b\n      - c"));
    assert_eq!(after("d", &Value::text("")), text.replace("d: |\n      x", "d: \"\""));
    assert_eq!(after("f", &Value::Bool(true)), format!("{text}    f: true\n"));
    assert_eq!(set(text, &["m", "new"], &Value::Bool(true)), "m:\n  # one\n  new: true\n");
    assert_eq!(set("m: # c\n- a\n- b\nz: 1\n", &["m"], &list), "m: # c\n- b\n- c\nz: 1\n");
    assert_eq!(set("m:\n  \"a\n   b\" # c\nz: 1\n", &["m"], &list), "m: # c\n  - b\n  - c\nz: 1\n");
    assert_eq!(set("m: {a: {b: 1}}", &["m", "a", "b"], &list), "m: {a: {b: [b, c]}}");
}

#[test]
fn every_text_is_read_as_it_was_meant() {
    let words = "y No ON off ~ null TRUE 1 1e3 0x1 0o7 1_000 12:30:00 .inf .nan -1 +1 - ... 2001-01-01 = << # a: { [a] &a *a \
                 !a | > %a @a `a ' \" \\ ? https://x.example:8443/a?b=c#d C:\\x é 😀 /usr/bin/x a@b 50% \u{7f}\u{85}\u{a0}";
    let more = [
        "",
        " ",
        "a ",
        " a",
        "--- a",
        "a: b",
        "a #b",
        "a, b",
        "\t",
        "\u{0}\u{1b}\u{2028}\u{feff}\u{ffff}",
        "a\nb\r\n\tc\n",
    ];
    let texts: Vec<_> = words.split(' ').chain(more).collect();
    let maps: Vec<_> = texts.iter().map(|text| ((*text).to_owned(), Value::text(text))).collect();
    let all = Value::Map(vec![
        ("map".to_owned(), Value::Map(maps.clone())),
        ("list".to_owned(), list(&texts)),
        ("maps".to_owned(), Value::List(vec![Value::Map(maps)])),
    ]);
    for text in ["", "m:\n    a: 1\n", "m: {a: 1}"] {
        let after = set(text, PATH, &all);
        assert_eq!(set(&after, PATH, &all), after);
        for key in texts.iter().copied() {
            assert_eq!(Yaml::parse(&after).unwrap().get(&["m", "new", "map", key]), Some(key.into()));
        }
    }
    // Without quotes are those alone that nobody takes for anything else.
    let lines = set("", &["m"], &list(&texts));
    let plain: Vec<_> = lines.lines().skip(1).map(|line| &line[4..]).filter(|text| !text.starts_with('"')).collect();
    assert_eq!(plain, ["/usr/bin/x", "a@b"]);
}

#[test]
fn comments_go_with_what_they_stand_above_unless_it_is_the_first() {
    let text = "m:\n  # all of them\n  a: 1 # of a\n\n  # not of b\n\n  # off: 1\n  # of b\n  # and so on\n  b: # b\n    x: 1\n    # in b\n  # of c\n  c: 3\n  # the end\nz: 1\n";
    let (left, comments) = without(text, &["m", "b"]);
    assert_eq!(comments, ["# of b", "# and so on", "# b", "# in b"]);
    insta::assert_snapshot!(left, @r#"
    m:
      # all of them
      a: 1 # of a

      # not of b

      # off: 1
      # of c
      c: 3
      # the end
    z: 1
    "#);
    let (left, comments) = without(&left, &["m", "a"]);
    assert_eq!(comments, ["# of a"]);
    let (left, comments) = without(&left, &["m", "c"]);
    assert_eq!(comments, [""; 0]);
    insta::assert_snapshot!(left, @r#"
    m: {}
      # all of them

      # not of b

      # off: 1
      # of c
      # the end
    z: 1
    "#);
    assert_eq!(without("m: {a: 1, b: 2, c: 3}", &["m", "a"]).0, "m: {b: 2, c: 3}");
    assert_eq!(without("m: {a: 1, b: 2, c: 3}", &["m", "b"]).0, "m: {a: 1, c: 3}");
    assert_eq!(without("m: {a: 1, b: 2, c: 3,}", &["m", "c"]).0, "m: {a: 1, b: 2,}");
    assert_eq!(without("m: { a: 1 }", &["m", "a"]).0, "m: {}");
}

mod refused;
mod shapes;

#[test]
fn comments_in_a_map_that_was_empty_are_not_of_what_is_put_into_it() {
    for there in ["m: {}", "m: null # c", "m: ~", "m:"] {
        for comment in ["  # mine", "      # mine, deep", "  # one\n\n    # two"] {
            for rest in ["", "z: 1\n"] {
                let text = format!("{there}\n{comment}\n{rest}");
                let after = added(&text);
                assert!(after.contains(&format!("{comment}\n  new:")), "{text}{after}");
                let (left, comments) = without(&after, PATH);
                assert!(left.contains(comment) && comments.is_empty(), "{after}{left}");
            }
        }
    }
}

#[test]
fn a_number_and_its_text_are_two_keys() {
    let text = "x:\n  1: a\n  \"1\": b\nm: {}\n";
    assert_eq!(without(&added(text), PATH).0, text);
    let mut document = Yaml::parse(text).unwrap();
    assert_eq!(document.set(&["x", "1"], &entry()), Err(Trouble::Strange));
    assert!(matches!(Yaml::parse("x: {1: a, 1: b}\n"), Err(Trouble::Syntax { .. })));
}
