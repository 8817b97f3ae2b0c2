//! Tests of the tests' helpers.

use testkit::text::{in_order, without_ids};

#[test]
fn variable_text_is_normalized() {
    let text = "b: 3 to do\n  created   network R 0123456789ab\n  started   a (1.5 s)\n  created   a\nb is ready (3 done, 0.4 s)\n  \
                main  R\n";
    let expected = "b: 3 to do\n  created   a\n  created   network R ID\n  started   a\nb is ready\n  main  R\n";
    assert_eq!(in_order(&without_ids(text)), expected);
}
