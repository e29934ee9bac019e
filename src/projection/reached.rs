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
