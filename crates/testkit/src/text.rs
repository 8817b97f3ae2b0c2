//! Normalises texts for comparison: varying parts get a fixed name or order.

/// Replaces ids, which are long words of hexadecimal digits, by `ID`.
pub fn without_ids(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        let is_id = word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit());
        out.push_str(if is_id { "ID" } else { &word });
        word.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// The width of a table's columns depends on their content, which varies.
pub fn without_columns(text: &str) -> String {
    let narrow = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let cells = line[indent..].split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        format!("{}{}\n", &line[..indent], cells.collect::<Vec<_>>().join("  "))
    };
    text.lines().map(narrow).collect()
}

/// Sorts concurrent operations, and removes durations.
pub fn in_order(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut done: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = without_duration(line);
        if is_progress(&line) {
            done.push(line);
        } else {
            done.sort();
            out.append(&mut done);
            out.push(line);
        }
    }
    done.sort();
    out.append(&mut done);
    out.push(String::new());
    out.join("\n")
}

/// A line such as `  created   network moat-builder-1f2e3d4c`.
fn is_progress(line: &str) -> bool {
    const VERBS: [&str; 14] = [
        "pulled",
        "created",
        "uploaded",
        "started",
        "ready",
        "unpaused",
        "restarted",
        "stopped",
        "renamed",
        "connected",
        "removed",
        "failed",
        "skipped",
        "retrying",
    ];
    let verb = line.strip_prefix("  ").and_then(|rest| rest.split(' ').next());
    verb.is_some_and(|verb| VERBS.contains(&verb))
}

/// Lines end with a duration, as in `… (1.5 s)` where it is long, or as in `(11 done, 3.3 s)`; how much was done
/// depends on what had been pulled before.
fn without_duration(line: &str) -> String {
    let ends = line.strip_suffix(" s)").and_then(|rest| rest.rfind(" ("));
    ends.map_or_else(|| line.to_owned(), |at| line[..at].to_owned())
}
