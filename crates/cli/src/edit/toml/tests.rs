use super::*;
use crate::edit::jsonc::plain;
use crate::edit::samples::{self, Samples};
use crate::edit::{Document, Format};

fn entry() -> Value {
    Value::Map(vec![
        ("command".to_owned(), Value::text("/opt/\"é\"")),
        ("args".to_owned(), Value::List(vec![Value::text("connect"), Value::text("new")])),
        ("startup_timeout_sec".to_owned(), Value::Number(30)),
        ("env".to_owned(), Value::Map(vec![("A.B".to_owned(), Value::text("c"))])),
    ])
}

const PATH: &[&str] = &["mcp_servers", "new"];

fn set(text: &str, path: &[&str], value: &Value) -> String {
    samples::set(Format::Toml, text, path, value)
}

fn added(text: &str) -> String {
    set(text, PATH, &entry())
}

fn without(text: &str, path: &[&str]) -> (String, Vec<String>) {
    samples::without(Format::Toml, text, path)
}

const SAMPLES: &[&str] = &[
    "",
    "\u{feff}",
    "# mine\n",
    "model = \"o\"",
    "model = \"o\" # c\n\n\n",
    "model = \"o\"\n\n[profiles.a]\nx = 1_000 # c\nwhen = 1979-05-27 07:32:00Z\nf = 6.02e+23\n",
    "# head\n\n[mcp_servers.a]\ncommand = \"x\"\n\n# about b\n[mcp_servers.b]\ncommand = 'y'\n# below b\n\n[tui]\n",
    "[mcp_servers.a]\ncommand = \"x\"\n[mcp_servers.a.env]\nK = \"v\"\n# about tui\n[tui]\nx = 1",
    "[mcp_servers.a]\ncommand = \"x\"\n\n# args = [\"y\"]\n\n# ---- other ----\n\n[tui]\nx = 1\n",
    "[mcp_servers.a]\ncommand = \"x\"\n\n# args = [\"y\"]\n",
    "[mcp_servers]\n",
    "[mcp_servers]\na = { command = \"x\" }\n\n[tui]\n",
    "[mcp_servers]\na.command = \"x\"\na.args = [\n  \"1\", # one\n]\n",
    "mcp_servers.a.command = \"x\"\nmcp_servers . \"b.c\" . command = \"y\" # c\nother = 1\n",
    "mcp_servers = { a = { command = \"x\" } } # c\n",
    "mcp_servers = {a={command=\"x\"},}\n",
    "mcp_servers = {\n  a = { command = \"x\" }, # c\n}\n",
    "[[mcp_servers.a]]\nx = 1\n[[mcp_servers.a]]\nx = 2\n\n[[z]]\n",
    "\u{feff}[mcp_servers.\"a.b\"]\r\ncommand = \"\"\"\r\n[x]\r\n# no\"\"\"\r\n\r\n[tui] # t  \r\n",
    "  [mcp_servers.a]  \n    command = 'x'\t\n\n\n\n   [tui]\n",
    "[mcp_servers.a]\ncommand = \"x\"\n\n[tui]\nx = 1\n\n[mcp_servers.b]\ncommand = \"y\"\n\n[z]\n",
    "[x]\nmcp_servers.a = 1\n\n[mcp_servers.a.env]\nK = \"v\"",
];

fn samples() -> Samples {
    Samples { format: Format::Toml, texts: SAMPLES, map: "mcp_servers", entry: entry() }
}

#[test]
fn what_was_added_and_removed_leaves_every_byte() {
    samples().leave_every_byte_when_added_and_removed();
}

#[test]
fn what_is_added_leaves_every_byte_of_the_others() {
    samples().get_one_piece(str::to_owned);
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
fn an_entry_is_a_table_below_the_others_of_its_parent() {
    insta::assert_snapshot!(added(""), @r#"
    [mcp_servers.new]
    command = "/opt/\"é\""
    args = ["connect", "new"]
    startup_timeout_sec = 30

    [mcp_servers.new.env]
    "A.B" = "c"
    "#);
    insta::assert_snapshot!(added(SAMPLES[6]), @r#"
    # head

    [mcp_servers.a]
    command = "x"

    # about b
    [mcp_servers.b]
    command = 'y'
    # below b

    [mcp_servers.new]
    command = "/opt/\"é\""
    args = ["connect", "new"]
    startup_timeout_sec = 30

    [mcp_servers.new.env]
    "A.B" = "c"

    [tui]
    "#);
    insta::assert_snapshot!(added(SAMPLES[8]), @r#"
    [mcp_servers.a]
    command = "x"

    # args = ["y"]

    [mcp_servers.new]
    command = "/opt/\"é\""
    args = ["connect", "new"]
    startup_timeout_sec = 30

    [mcp_servers.new.env]
    "A.B" = "c"

    # ---- other ----

    [tui]
    x = 1
    "#);
    insta::assert_snapshot!(set("[tui]\n", &["mcp_servers", "a.b"], &entry()), @r#"
    [tui]

    [mcp_servers."a.b"]
    command = "/opt/\"é\""
    args = ["connect", "new"]
    startup_timeout_sec = 30

    [mcp_servers."a.b".env]
    "A.B" = "c"
    "#);
}

#[test]
fn an_entry_is_written_as_the_others_of_its_parent() {
    insta::assert_snapshot!(added(SAMPLES[12]), @r#"
    [mcp_servers]
    a.command = "x"
    a.args = [
      "1", # one
    ]

    [mcp_servers.new]
    command = "/opt/\"é\""
    args = ["connect", "new"]
    startup_timeout_sec = 30

    [mcp_servers.new.env]
    "A.B" = "c"
    "#);
    insta::assert_snapshot!(added(SAMPLES[13]), @r#"
    mcp_servers.a.command = "x"
    mcp_servers . "b.c" . command = "y" # c
    mcp_servers.new = { command = "/opt/\"é\"", args = ["connect", "new"], startup_timeout_sec = 30, env = { "A.B" = "c" } }
    other = 1
    "#);
    insta::assert_snapshot!(added(SAMPLES[14]), @r#"
    mcp_servers = { a = { command = "x" }, new = { command = "/opt/\"é\"", args = ["connect", "new"], startup_timeout_sec = 30, env = { "A.B" = "c" } } } # c
    "#);
    insta::assert_snapshot!(added(SAMPLES[15]), @r#"
    mcp_servers = {a={command="x"}, new = { command = "/opt/\"é\"", args = ["connect", "new"], startup_timeout_sec = 30, env = { "A.B" = "c" } },}
    "#);
    insta::assert_snapshot!(added(SAMPLES[16]), @r#"
    mcp_servers = {
      a = { command = "x" }, new = { command = "/opt/\"é\"", args = ["connect", "new"], startup_timeout_sec = 30, env = { "A.B" = "c" } }, # c
    }
    "#);
    assert_eq!(set("a = {}\n", &["a", "b", "c"], &Value::Bool(true)), "a = { b = { c = true } }\n");
    assert_eq!(set("a = {b.c = 1}\n", &["a", "d"], &Value::Number(2)), "a = {b.c = 1, d = 2}\n");
}

#[test]
fn an_entry_that_is_there_is_replaced_in_its_place() {
    insta::assert_snapshot!(
        added("# one\n[mcp_servers.new] # mine\nurl = \"x\"\n# in it\nb = 1\n\n[mcp_servers.new.tools.x]\na = 1 # c\n# below\n\n[z]\n"),
        @r#"
    # one
    [mcp_servers.new] # mine
    command = "/opt/\"é\""
    args = ["connect", "new"]
    startup_timeout_sec = 30

    [mcp_servers.new.env]
    "A.B" = "c"
    # below

    [z]
    "#
    );
    insta::assert_snapshot!(added("[mcp_servers.new.env]\nA = \"1\"\n\n[z]\n\n[mcp_servers.new]\nb = 1\n"), @r#"
    [mcp_servers.new]
    command = "/opt/\"é\""
    args = ["connect", "new"]
    startup_timeout_sec = 30

    [mcp_servers.new.env]
    "A.B" = "c"

    [z]
    "#);
    insta::assert_snapshot!(added("[mcp_servers]\n  new.a = 1 # c\nb = 2\nnew.b = 2\n"), @r#"
    [mcp_servers]
      new = { command = "/opt/\"é\"", args = ["connect", "new"], startup_timeout_sec = 30, env = { "A.B" = "c" } } # c
    b = 2
    "#);
    insta::assert_snapshot!(added("mcp_servers = { new = { b = 1 }, c = 2 }"), @r#"
    mcp_servers = { new = { command = "/opt/\"é\"", args = ["connect", "new"], startup_timeout_sec = 30, env = { "A.B" = "c" } }, c = 2 }
    "#);
    insta::assert_snapshot!(added("[[mcp_servers.new]]\na = 1\n[[mcp_servers.new]]\na = 1\n"), @r#"
    [mcp_servers.new]
    command = "/opt/\"é\""
    args = ["connect", "new"]
    startup_timeout_sec = 30

    [mcp_servers.new.env]
    "A.B" = "c"
    "#);
}

#[test]
fn a_value_within_an_entry_leaves_its_siblings() {
    let text =
        "[mcp_servers.new] # n\n# c\ncommand = \"x\" # old\n\n# d\nargs = []\n\n[mcp_servers.new.env]\nA = \"1\"\n";
    let after = set(text, &["mcp_servers", "new", "command"], &Value::text("y"));
    assert_eq!(after, text.replace("\"x\"", "\"y\""));
    let after = set(text, &["mcp_servers", "new", "enabled"], &Value::Bool(true));
    assert_eq!(after, text.replace("args = []", "args = []\nenabled = true"));
    let after = set(text, &["mcp_servers", "new", "env", "B"], &Value::text("2"));
    assert_eq!(after, format!("{text}B = \"2\"\n"));
    let after = set("[a.b]\nc = 1\n", &["a", "x"], &Value::Number(1));
    assert_eq!(after, "[a.b]\nc = 1\n\n[a]\nx = 1\n");
    assert_eq!(set("# c\n[a]\n", &["x"], &Value::Number(1)), "x = 1\n\n# c\n[a]\n");
    assert_eq!(set("", &["x"], &Value::Number(1)), "x = 1\n");
}

#[test]
fn every_text_is_read_as_it_was_meant() {
    let texts = [
        "",
        " ",
        "no",
        "\"",
        "\\",
        "'''",
        "\u{0}\u{1f}\u{7f}\u{85}\u{9f}\u{2028}\u{feff}é😀\u{ffff}",
        "a\nb\r\n\tc",
        "# x",
    ];
    for text in texts {
        for path in [&["a", "b"][..], &["a", text]] {
            set("[a]\nx = 1\n", path, &Value::List(vec![Value::text(text), Value::Map(vec![])]));
        }
        set("[a]\nx = 1\n", &["a", text], &entry());
        set("a.x = 1\n", &["a", text], &entry());
    }
    let mut document = Toml::parse("").unwrap();
    assert_eq!(document.set(&["a"], &Value::Number(u64::MAX)), Err(Trouble::Strange));
    assert_eq!(document.text(), "");
}

#[test]
fn comments_go_with_what_they_stand_above_unless_it_is_the_first() {
    let text = "# all of them\n[m.a]\nx = 1 # of a\n# in a\n\n# not of b\n\n# off = 1\n# of b\n# and so on\n[m.b]\nx = 1\n\n# of c\n[m.c]\nx = 1\n# y = 2\n\n# the end\n";
    let (left, comments) = without(text, &["m", "b"]);
    assert_eq!(comments, ["# of b", "# and so on"]);
    insta::assert_snapshot!(left, @r#"
    # all of them
    [m.a]
    x = 1 # of a
    # in a

    # not of b

    # off = 1

    # of c
    [m.c]
    x = 1
    # y = 2

    # the end
    "#);
    let (left, comments) = without(&left, &["m", "a"]);
    assert_eq!(comments, ["# of a", "# in a"]);
    insta::assert_snapshot!(left, @r#"
    # all of them

    # not of b

    # off = 1

    # of c
    [m.c]
    x = 1
    # y = 2

    # the end
    "#);
    let (left, comments) = without(&left, &["m", "c"]);
    assert_eq!(comments, [""; 0]);
    insta::assert_snapshot!(left, @r#"
    # all of them

    # not of b

    # off = 1

    # of c
    # y = 2

    # the end
    "#);
    assert_eq!(without("a = { b = 1, c = 2, d = 3 }", &["a", "b"]).0, "a = { c = 2, d = 3 }");
    assert_eq!(without("a = { b = 1, c = 2, d = 3 }", &["a", "c"]).0, "a = { b = 1, d = 3 }");
    assert_eq!(without("a = { b = 1, c = 2, d = 3 }", &["a", "d"]).0, "a = { b = 1, c = 2 }");
    assert_eq!(without("a = { b = 1 }", &["a", "b"]).0, "a = {}");
    assert_eq!(
        without("[a]\nx = \"\"\"\n# no comment\"\"\"\n[b]\n", &["b"]).0,
        "[a]\nx = \"\"\"\n# no comment\"\"\"\n"
    );
    assert_eq!(without("a = 1\nb = 2 # c\n\nc = 3\n", &["b"]).0, "a = 1\n\nc = 3\n");
}

#[test]
fn what_somebody_commented_out_stays() {
    let old = "# The old one:\n# [m.old]\n# args = [\n#   \"a\",\n# ]\n";
    for rest in ["", "\n[tui]\n", "\n# the end\n"] {
        for before in ["", "x = 1\n\n", "# all\n\n", "[m.a]\n\n"] {
            let text = format!("{before}[m.b]\nx = 1 # c\n{old}{rest}");
            let left = format!("{before}{old}{rest}");
            assert_eq!(without(&text, &["m", "b"]), (left.clone(), vec!["# c".to_owned()]), "{text}");
            let text = format!("{before}[m.b]\nx = 1\n\n{old}\n[m.b.env]\n# of it\ny = 1\n{rest}");
            assert_eq!(without(&text, &["m", "b"]), (left, vec!["# of it".to_owned()]), "{text}");
        }
    }
    // The last line of a list is not about what follows.
    let text = "[m.a]\nx = 1\n\n# args = [\n#   \"a\",\n# ]\n[m.b]\ny = 1\n";
    assert_eq!(without(text, &["m", "b"]).0, "[m.a]\nx = 1\n\n# args = [\n#   \"a\",\n# ]\n");
    let text = "[m.b]\n\n# [m.b.tools]\n# x = 1\n\n[m.b.env]\ny = 1\n# in it\n\n[tui]\n";
    assert_eq!(
        without(text, &["m", "b"]),
        ("[tui]\n".to_owned(), ["# [m.b.tools]", "# x = 1", "# in it"].map(str::to_owned).to_vec())
    );
}

#[test]
fn what_cannot_be_read_is_not_changed() {
    for text in ["a = 1\nb", "a = 1\na = 2", "[a]\n[a]", "a = 1\na.b = 2", "a = 1\nb = \"", "a = 1\n\rb = 2"] {
        assert!(matches!(Toml::parse(text), Err(Trouble::Syntax { line: 1 | 2, .. })), "{text}");
    }
    for text in ["x = 1\nm = 1\n", "\nm = [{}]\n", "\n[[m]]\n"] {
        let mut document = Toml::parse(text).unwrap();
        let trouble = Trouble::NoMap { line: 2, path: "m".to_owned() };
        assert_eq!(document.set(&["m", "a"], &entry()), Err(trouble));
        assert_eq!(document.remove(&["m", "a"]), Ok(None));
        assert_eq!(document.remove(&["z"]), Ok(None));
        assert_eq!(document.text(), text);
    }
    let mut document = Toml::parse("a = { m.x = 1, m.y = 2 }").unwrap();
    assert_eq!(document.set(&["a", "m", "z"], &entry()), Err(Trouble::Strange));
    assert_eq!(document.remove(&["a", "m"]), Err(Trouble::Strange));
    assert_eq!(document.set(&[], &entry()), Err(Trouble::Strange));
    // Nobody knows which of the values these comments are about.
    for text in ["a = {\n b = 1, # c\n m = 1\n}\n", "a = {\n # c\n m = 1\n}\n", "a = {\n m = 1 # c\n}\n"] {
        assert_eq!(Toml::parse(text).unwrap().remove(&["a", "m"]), Err(Trouble::Strange), "{text}");
    }
}

mod shapes;
