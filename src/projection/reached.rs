//! How far the files of read models are, without opening them for work.

use std::collections::BTreeMap;
use std::path::Path;

use super::directory::{generations, model_names};
use super::store::StoreError;
use super::{file, readers};
use crate::kernel::Position;

/// The furthest that any read model in `dir` is in the log of each service. Files that are none say nothing: opening the
/// read models deals with them. Blocking.
///
/// # Errors
/// Where the folder is there and cannot be read.
pub fn reached(dir: &Path) -> Result<BTreeMap<String, Position>, String> {
    if !dir.exists() {
        return Ok(BTreeMap::new());
    }
    let all = || -> Result<BTreeMap<String, Position>, StoreError> {
        let mut furthest = BTreeMap::new();
        for model in model_names(dir)? {
            for (_, path) in generations(dir, &model)? {
                let positions = readers::connect(&path)
                    .ok()
                    .and_then(|conn| file::positions(&conn).ok());
                for (service, position) in positions.unwrap_or_default() {
                    let known = furthest.entry(service).or_insert(position);
                    *known = position.max(*known);
                }
            }
        }
        Ok(furthest)
    };
    all().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_files_the_furthest_counts_for_each_service() {
        let home = tempfile::tempdir().unwrap();
        let files = [("one.1", 5, 2), ("one.2", 3, 7), ("two.1", 4, 4)];
        for (name, of_a, of_b) in files {
            let file = rusqlite::Connection::open(home.path().join(format!("{name}.db"))).unwrap();
            let positions = format!(
                "CREATE TABLE annals_checkpoint (service TEXT, position INTEGER);
                 INSERT INTO annals_checkpoint VALUES ('a', {of_a}), ('b', {of_b});"
            );
            file.execute_batch(&positions).unwrap();
        }
        std::fs::write(home.path().join("three.1.db"), "no database").unwrap();
        let furthest = [("a", 5), ("b", 7)].map(|(of, at)| (of.to_owned(), Position(at)));
        assert_eq!(reached(home.path()), Ok(BTreeMap::from(furthest)));
    }
}
