use super::*;
use crate::edit::dice::Dice;
use crate::edit::samples::{self, Samples};
use crate::edit::{Document, Format};

fn entry() -> Value {
    Value::Map(vec![
        ("url".to_owned(), Value::text("https://x.example/\"é")),
        ("tls".to_owned(), Value::Map(vec![("cert".to_owned(), Value::text("c"))])),
    ])
}

fn added(text: &str) -> String {
    samples::set(Format::Jsonc, text, &["mcp", "new"], &entry())
}

fn without(text: &str, name: &str) -> (String, Vec<String>) {
    samples::without(Format::Jsonc, text, &["mcp", name])
}

/// Every sample has a map with something in it: an entry or a comment.
const SAMPLES: &[&str] = &[
    "{\n  \"mcp\": {\n    \"a\": {\"url\": \"x\"}\n  }\n}\n",
    "{\n  \"mcp\": {\n    \"a\": {\"url\": \"x\"},\n  },\n}\n",
    "{\n  \"mcp\": {\n    \"a\": {\"url\": \"x\"} // note\n  }\n}\n",
    "{\n  \"mcp\": {\n    \"a\": {\"url\": \"x\"}, // note, with a comma\n    // end\n  }\n}\n",
    "{\n  \"mcp\": {\n    \"a\": 1 /* , */ , /* x */ // y\n\n    /* end\n     */\n  }\n}\n",
    "{\n\t\"mcp\": {\n\t\t// c\n\t\t\"a\": {\"url\": \"x\"}\n\t\t// end\n\t}\n}",
    "{\r\n  \"mcp\": {\r\n    \"a\": {\"url\": \"x\"} // c\r\n  }\r\n}\r\n",
    "{\r\n  \"mcp\": {\r\n    \"a\": {\"url\": \"x\"},\r\n  }\r\n}",
    "{\"mcp\":{\"a\":{\"url\":\"x\"}}}",
    "{\"mcp\":{\"a\":{\"url\":\"x\"},},}",
    "{\"mcp\": { \"a\": {\"url\": \"x\"} }, \"other\": [1, 2,3]}\n",
    "{ \"mcp\": { \"a\": 1 /* one */ } }",
    "// head\n{\n  /* x */ \"mcp\": { // y\n  }\n}\n// tail\n",
    "{\n  \"mcp\": {\n    // nothing yet\n  }\n}\n",
    "{\n    \"mcp\": {\n        \"a\": {},\n\n        \"b\": {}\n\n    }\n}",
    "\u{feff}{\n  \"mcp\": {\n    \"a\": 1.50e+3\n  }\n}\n",
    "{\n  \"mcp\": {\n    \"a\": 1 }\n}\n",
    "{\n  \"mcp\":\n  {\n    \"a\": 1, \"b\": 2\n  }, \"z\": \"}\"\n}\n",
    "{\n  \"mcp\": {\n    \"a\\u0062\": \"// no comment, \\\" {\"\n  }\n}\n",
    "{\n\n\n  \"$schema\": \"s\",   \n  \"mcp\"  :  {  \n    \"a\"  :  1  \n  }  \n}  \n\n",
];

fn samples() -> Samples {
    Samples { format: Format::Jsonc, texts: SAMPLES, map: "mcp", entry: entry() }
}

#[test]
fn what_was_added_and_removed_leaves_every_byte() {
    samples().leave_every_byte_when_added_and_removed();
}

#[test]
fn what_is_added_leaves_every_line_of_the_others() {
    for sample in SAMPLES {
        let text = added(sample);
        // All bytes of the sample are there, in their order.
        let mut rest = text.as_str();
        for c in sample.chars() {
            let at = rest.find(c).unwrap_or_else(|| panic!("{c:?} of {sample} is lost in {text}"));
            rest = &rest[at + c.len_utf8()..];
        }
        assert!(!sample.contains("\r\n") || !text.replace("\r\n", "").contains('\n'), "{text:?}");
    }
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
    {
      "mcp": {
        "new": {
          "url": "https://x.example/\"é",
          "tls": {
            "cert": "c"
          }
        }
      }
    }
    "#);
    assert_eq!(added("// mine"), format!("// mine\n{}", added("")));
    assert_eq!(added("{}\n"), added(""));
    // The braces come with the first change.
    for text in ["", "// mine", "\u{feff}", "\n/* mine */\n"] {
        let mut document = Jsonc::parse(text).unwrap();
        assert_eq!(document.remove(&["mcp", "new"]), Ok(None));
        assert_eq!(document.text(), text);
    }
    assert_eq!(
        added("{ \"mcp\": {} }"),
        r#"{ "mcp": { "new": { "url": "https://x.example/\"é", "tls": { "cert": "c" } } } }"#
    );
    assert_eq!(
        added(r#"{"mcp":{"a":1}}"#),
        r#"{"mcp":{"a":1,"new":{"url":"https://x.example/\"é","tls":{"cert":"c"}}}}"#
    );
    let unit = "/*\n * about\n */\n{\n    \"theme\": 1\n}\n";
    assert!(added(unit).contains("\n    \"mcp\": {\n        \"new\""), "{}", added(unit));
    insta::assert_snapshot!(added("{\n\t\"theme\": \"dark\" // mine\n}\n"), @r#"
    {
    	"theme": "dark", // mine
    	"mcp": {
    		"new": {
    			"url": "https://x.example/\"é",
    			"tls": {
    				"cert": "c"
    			}
    		}
    	}
    }
    "#);
}

#[test]
fn an_entry_that_is_there_is_replaced_in_its_place() {
    let text =
        "{\n  // all\n  \"mcp\": {\n    // one\n    \"new\": { \"url\": \"old\" }, // mine\n    \"b\": 2\n  }\n}\n";
    insta::assert_snapshot!(added(text), @r#"
    {
      // all
      "mcp": {
        // one
        "new": {
          "url": "https://x.example/\"é",
          "tls": {
            "cert": "c"
          }
        }, // mine
        "b": 2
      }
    }
    "#);
}

#[test]
fn comments_go_with_what_they_stand_above_unless_it_is_the_first() {
    let text = "{\n  \"mcp\": {\n    // all of them\n    \"a\": 1, // of a\n\n    // not of b\n\n    // of b\n    /* and\n       so on */\n    \"b\": 2, // b\n    // of c\n    \"c\": 3\n    // the end\n  }\n}\n";
    let (left, comments) = without(text, "b");
    assert_eq!(comments, ["// of b", "/* and\n       so on */", "// b"]);
    insta::assert_snapshot!(left, @r#"
    {
      "mcp": {
        // all of them
        "a": 1, // of a

        // not of b
        // of c
        "c": 3
        // the end
      }
    }
    "#);
    let (left, comments) = without(&left, "a");
    assert_eq!(comments, ["// of a"]);
    assert!(left.contains("// all of them") && !left.contains("// of a"), "{left}");
    let (left, comments) = without(&left, "c");
    assert_eq!((left.contains("// of c"), left.contains("// the end"), comments), (true, true, vec![]), "{left}");
}

#[test]
fn the_last_of_several_leaves_no_comma_that_was_not_there() {
    assert_eq!(without("{\"mcp\": {\"a\": 1, \"b\": 2}}", "b").0, "{\"mcp\": {\"a\": 1}}");
    assert_eq!(without("{\"mcp\": {\"a\": 1, \"b\": 2}}", "a").0, "{\"mcp\": {\"b\": 2}}");
    assert_eq!(without("{\"mcp\": {\"a\": 1}}", "a").0, "{\"mcp\": {}}");
    assert_eq!(without("{\n  \"mcp\": {\n    \"a\": 1,\n  }\n}", "a").0, "{\n  \"mcp\": {}\n}");
    assert_eq!(without("{\"mcp\": { // x\n \"a\": 1, \"b\": 2}}", "a").0, "{\"mcp\": { // x\n \"b\": 2}}");
}

#[test]
fn what_cannot_be_read_is_not_changed() {
    for text in ["{", "{\"mcp\": {\"a\": 1 \"b\": 2}}", "{mcp: {}}", "{'mcp': {}}", "{} {}"] {
        assert!(matches!(Jsonc::parse(text), Err(Trouble::Syntax { line: 1, .. })), "{text}");
    }
    assert!(matches!(Jsonc::parse("[]"), Err(Trouble::NoMap { .. })));
    let mut document = Jsonc::parse("{\n  \"mcp\": 1\n}").unwrap();
    let trouble = Trouble::NoMap { line: 2, path: "mcp".to_owned() };
    assert_eq!(document.set(&["mcp", "a"], &entry()), Err(trouble));
    assert_eq!(document.remove(&["mcp", "a"]), Ok(None));
    assert_eq!(document.text(), "{\n  \"mcp\": 1\n}");
}

fn space(dice: &mut Dice) -> &'static str {
    dice.of(&[
        "",
        " ",
        "\n",
        "\n    ",
        "\r\n\t",
        " /* a, } */ ",
        " // b \" {\n",
        "\n// c\n",
        "\n\n",
        "\n  /* d\n */\n  ",
    ])
}

fn object(dice: &mut Dice, entries: usize) -> String {
    let mut text = "{".to_owned();
    for at in 0..entries {
        let value = dice.of(&["1", "{}", "[1, 2]", "{ \"url\": \"x\", \"b\": [ ] }", "\"//, }\"", "{\n \"a\": 1,\n }"]);
        let last = at + 1 == entries;
        let comma = if last && dice.roll(2) == 0 { "" } else { "," };
        let key = format!("\"k{at}\"");
        for piece in [&key, ":", value, comma] {
            text.push_str(space(dice));
            text.push_str(piece);
        }
        text.push_str(space(dice));
    }
    text.push('}');
    text
}

#[test]
fn nothing_is_lost_in_texts_of_any_shape() {
    let mut dice = Dice(1);
    for _ in 0..5000 {
        let entries = dice.roll(5);
        let object = object(&mut dice, entries);
        let other = dice.of(&["", "\"other\": 1,", "\n  \"other\": {\n    \"a\": 1\n  },\n  "]);
        let text = format!("{}{{{other}\"mcp\":{object}{}}}{}", space(&mut dice), space(&mut dice), space(&mut dice));
        let after = added(&text);
        let (back, comments) = without(&after, "new");
        assert_eq!((back, comments), (text.clone(), vec![]), "{after}");
        // What is left of the others is as it was, and never damaged: that would be an error.
        let mut left = Jsonc::parse(&text).unwrap();
        for _ in 0..entries {
            let name = format!("k{}", dice.roll(entries.max(1)));
            let before = left.text().to_owned();
            left.remove(&["mcp", &name]).unwrap_or_else(|trouble| panic!("{before:?}: {name}: {trouble:?}"));
            assert!(left.get(&["mcp", &name]).is_none());
        }
    }
}

#[test]
fn halves_of_surrogate_pairs_elsewhere_do_not_hinder() {
    for cut in [r"\ud83d", r"\uDE00 x", r"\ud83d\ud83d\ude00", r"\\\ud83d", r"\ud83d\n", r"\ud83d\\"] {
        let text = format!("{{\"history\":[\"{cut}\"],\"mcp\":{{}}}}");
        let after = added(&text);
        assert!(after.starts_with(&format!("{{\"history\":[\"{cut}\"],\"mcp\":{{\"new\"")), "{after}");
        assert_eq!(without(&after, "new").0, text);
    }
    // What is no escape is none, and pairs are what they were.
    let value = |text: &str| Jsonc::parse(text).unwrap().get(&["a"]);
    assert_eq!(value(r#"{"a":"\\ud83d \ud83d\ude00"}"#), Some("\\ud83d \u{1f600}".into()));
    for text in [r#"{"a":"\ud83"}"#, r#"{"a":"\ud83""#, r#"{"a":"\"#, r#"{"a":"\u+83d"}"#] {
        assert!(matches!(Jsonc::parse(text), Err(Trouble::Syntax { .. })), "{text}");
    }
}
