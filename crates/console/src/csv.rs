//! Lines of comma-separated values (RFC 4180), safe to open in a spreadsheet.

/// Characters that make a cell a formula in a spreadsheet, also in their full width.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A line of cells. A cell that a spreadsheet would calculate gets an apostrophe before it.
pub(crate) fn line(cells: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut line = String::new();
    for cell in cells {
        if !line.is_empty() {
            line.push(',');
        }
        let cell = cell.as_ref();
        let guard = if cell.starts_with(FORMULA) { "'" } else { "" };
        line.push_str(&format!("\"{guard}{}\"", cell.replace('"', "\"\"")));
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_neutralised() {
        assert_eq!(line(["a", "b,\"c\"\n", ""]), "\"a\",\"b,\"\"c\"\"\n\",\"\"\r\n");
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(line([cell]), format!("\"'{cell}\"\r\n"));
        }
        assert_eq!(line(["a=1"]), "\"a=1\"\r\n");
    }
}
