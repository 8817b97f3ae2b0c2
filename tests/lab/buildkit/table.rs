//! How Go prints: `text/tabwriter` as buildctl sets it up (columns padded with tabs to multiples of eight), and sizes as
//! `tonistiigi/units` has them (decimal, two digits).

const TAB: usize = 8;

/// The last cell of a row is no column: nothing is padded to it, and it is not padded.
pub fn print(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| column + 1 < row.len()).map(|row| row[column].chars().count() + 1);
        cells.max().unwrap_or(0).next_multiple_of(TAB)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line += cell;
            if column + 1 < row.len() {
                line += &"\t".repeat((widths[column] - cell.chars().count()).div_ceil(TAB));
            }
        }
        println!("{line}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "two digits are printed")]
pub fn bytes(size: i64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.iter().find(|(unit, _)| size as f64 >= *unit) {
        Some((unit, name)) => format!("{:.2}{name}", size as f64 / unit),
        None => format!("{size}B"),
    }
}
