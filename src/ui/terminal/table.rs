//! Rows whose columns are as wide as what is in them.

/// A head and its rows, two spaces apart; nothing without rows. Every line ends with a line feed, and with no space.
pub(in crate::ui) fn text<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let widths: [usize; N] = std::array::from_fn(|at| all().map(|row| row[at].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    all().map(line).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["ü".to_owned(), "1".to_owned()], ["long".to_owned(), String::new()]];
        assert_eq!(super::text(["A", "B"], &rows), "A     B\nü     1\nlong\n");
        assert_eq!(super::text(["A"], &[]), "");
    }
}
