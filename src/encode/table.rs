//! Files of embeddings by name: safetensors, or a JSON object of lists.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::EncodeError;
use crate::files;

/// Reads a file of vectors by name.
///
/// A name ending in `.json` is a JSON object of lists of numbers; all else is safetensors with f32 tensors of one
/// dimension (or more, all but the last of size 1).
///
/// # Errors
///
/// [`EncodeError`] when the file cannot be read or holds something else.
pub fn read_table(path: &Path) -> Result<BTreeMap<String, Vec<f32>>, EncodeError> {
    let bytes = files::read(path)?;
    let malformed = |problem: String| EncodeError::Malformed { problem, path: path.to_owned() };
    let table: BTreeMap<String, Vec<f32>> = if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_slice(&bytes).map_err(|problem| malformed(problem.to_string()))?
    } else {
        let tensors = SafeTensors::deserialize(&bytes).map_err(|problem| malformed(problem.to_string()))?;
        let vectors = tensors.iter().map(|(name, tensor)| Ok((name.to_owned(), vector(name, &tensor)?)));
        vectors.collect::<Result<_, String>>().map_err(malformed)?
    };
    match table.iter().find(|(_, vector)| vector.iter().any(|entry| !entry.is_finite())) {
        Some((name, _)) => Err(malformed(format!("the embedding of {name} holds a number that is not finite"))),
        None => Ok(table),
    }
}

fn vector(name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let width = tensor.shape().last().copied().unwrap_or(0);
    if tensor.dtype() != Dtype::F32 || tensor.shape().iter().product::<usize>() != width {
        return Err(format!("{name} is {:?} of shape {:?}, not one vector of F32", tensor.dtype(), tensor.shape()));
    }
    let (entries, _) = tensor.data().as_chunks::<4>();
    Ok(entries.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Writes such a file as safetensors, as a whole or not at all.
pub(super) fn write_table(path: &Path, table: &BTreeMap<String, Vec<f32>>) -> Result<(), EncodeError> {
    let rows: Vec<(&str, usize, Vec<u8>)> = table
        .iter()
        .map(|(name, row)| (name.as_str(), row.len(), row.iter().flat_map(|entry| entry.to_le_bytes()).collect()))
        .collect();
    let views = rows.iter().map(|(name, width, bytes)| {
        (*name, TensorView::new(Dtype::F32, vec![*width], bytes).expect("four bytes an entry"))
    });
    let bytes = safetensors::serialize(views, None)
        .map_err(|problem| EncodeError::Malformed { problem: problem.to_string(), path: path.to_owned() })?;
    Ok(files::write_atomic(path, &bytes)?)
}
