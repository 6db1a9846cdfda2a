//! A table in Markdown.

use crate::server::OURS;

/// Rows below a heading.
#[derive(Debug)]
pub(crate) struct Table {
    columns: usize,
    text: String,
    is_empty: bool,
}

impl Table {
    pub(crate) fn new<T: AsRef<str>>(titles: &[T]) -> Self {
        let mut table = Self { columns: titles.len(), text: String::new(), is_empty: true };
        table.write(titles);
        table.write(&vec!["---"; titles.len()]);
        table
    }

    /// Adds a row; what it lacks at the end is left empty.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        self.write(cells);
        self.is_empty = false;
    }

    fn write<T: AsRef<str>>(&mut self, cells: &[T]) {
        self.text.push('|');
        for column in 0..self.columns {
            let cell = cells.get(column).map_or("", AsRef::as_ref);
            for part in [" ", &cell.replace('|', "\\|"), " |"] {
                self.text.push_str(part);
            }
        }
        self.text.push('\n');
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(crate) fn finish(mut self) -> String {
        self.text.push('\n');
        self.text
    }
}

/// The name of a server; ours stands out.
pub(crate) fn label(server: &str) -> String {
    if server.starts_with(OURS) { format!("**{server}**") } else { server.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_all_columns_in_every_row() {
        let mut table = Table::new(&["a", "b"]);
        assert!(table.is_empty());
        table.row(&["1|2"]);
        assert!(!table.is_empty());
        assert_eq!(table.finish(), "| a | b |\n| --- | --- |\n| 1\\|2 |  |\n\n");
    }
}
