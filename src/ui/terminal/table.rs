//! Tables of text with aligned columns.

use super::width::{columns, padded};

/// Lays out a head and rows, with two spaces between columns. Returns nothing without rows. Columns that are empty
/// throughout are left out. Every line ends with a line feed and without trailing spaces.
pub(in crate::ui) fn text<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    painted(head, rows, |_, _, cell| cell.to_owned())
}

/// As [`text`]; `paint` adds colours to a cell, given its row, its column and its text. The head is not painted.
pub(in crate::ui) fn painted<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    paint: impl Fn(usize, usize, &str) -> String,
) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = head.map(str::to_owned);
    let width = |column: usize| rows.iter().chain([&head]).map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: &[String; N], paint: &dyn Fn(usize, &str) -> String| {
        let cell = |(column, cell): (usize, &String)| match widths[column] {
            0 => None,
            // Colours must not count as width.
            width => Some(paint(column, cell) + &padded("", width - columns(cell))),
        };
        let cells: Vec<String> = cells.iter().enumerate().filter_map(cell).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    let plain = line(&head, &|_, cell| cell.to_owned());
    let lines = rows.iter().enumerate().map(|(row, cells)| line(cells, &|column, cell| paint(row, column, cell)));
    [plain].into_iter().chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells<const N: usize>(row: [&str; N]) -> [String; N] {
        row.map(str::to_owned)
    }

    #[test]
    fn columns_fit_their_widest_cell() {
        let rows = [cells(["ü", "1"]), cells(["long", ""]), cells(["日本語", "2"])];
        assert_eq!(text(["A", "B"], &rows), "A       B\nü       1\nlong\n日本語  2\n");
        assert_eq!(text(["A"], &[]), "");
    }

    #[test]
    fn a_column_that_is_empty_throughout_is_left_out() {
        assert_eq!(text(["A", "", "C"], &[cells(["1", "", "3"])]), "A  C\n1  3\n");
    }

    #[test]
    fn colours_do_not_change_the_layout() {
        let rows = [cells(["a", "b"]), cells(["long", "c"])];
        let painted =
            painted(
                ["A", "B"],
                &rows,
                |row, column, cell| {
                    if (row, column) == (0, 0) { format!("<{cell}>") } else { cell.to_owned() }
                },
            );
        assert_eq!(painted, "A     B\n<a>     b\nlong  c\n");
    }
}
