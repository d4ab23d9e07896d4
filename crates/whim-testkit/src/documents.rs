//! The project's documents, for tests that compare them with the code.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

/// The settings of `README.md` and `docs/settings.md` with their defaults; `None` where there is no fixed default.
///
/// # Errors
/// A document is missing.
pub fn default_settings() -> io::Result<BTreeMap<String, Option<String>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut settings = BTreeMap::new();
    for document in ["README.md", "docs/settings.md"] {
        let text = fs::read_to_string(root.join(document))?;
        settings.extend(text.lines().filter_map(table_row));
    }
    Ok(settings)
}

/// A row such as ``| `PORT` | `3002` | Port of the API |``.
fn table_row(line: &str) -> Option<(String, Option<String>)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let name = code(cells.next()?)?;
    let default = cells.next()?;
    let is_name =
        |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_';
    name.chars()
        .all(is_name)
        .then(|| (name.to_owned(), code(default).map(str::to_owned)))
}

fn code(cell: &str) -> Option<&str> {
    let code = cell.strip_prefix('`')?.strip_suffix('`')?;
    (!code.contains('`')).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_settings_are_read_and_other_rows_are_not() {
        assert_eq!(
            table_row("| `PORT` | `3002` | Port of the API |"),
            Some(("PORT".to_owned(), Some("3002".to_owned())))
        );
        assert_eq!(
            table_row("| `API_KEY` | none | Key |"),
            Some(("API_KEY".to_owned(), None))
        );
        assert_eq!(
            table_row("| `DIR` | `whim` below `HOME` | Directory |"),
            Some(("DIR".to_owned(), None))
        );
        assert_eq!(table_row("| `GET /health` | 200 | Health |"), None);
        assert_eq!(table_row("text"), None);
    }
}
