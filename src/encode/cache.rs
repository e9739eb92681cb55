//! A file that remembers embeddings, so that a slow encoder runs once a text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::table::{read_table, write_table};
use super::{EncodeError, TextEncoder};

/// Embeddings by encoder, width and text, kept in a safetensors file.
#[derive(Debug)]
pub struct EmbeddingCache {
    path: PathBuf,
    rows: BTreeMap<String, Vec<f32>>,
}

impl EmbeddingCache {
    /// Opens the cache in `path`; a file that is not there is an empty cache.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the file is there and is no cache.
    pub fn open(path: &Path) -> Result<Self, EncodeError> {
        let rows = if path.exists() { read_table(path)? } else { BTreeMap::new() };
        Ok(Self { path: path.to_owned(), rows })
    }

    /// The embeddings of `texts`, `dim` entries each; what is new is encoded and saved.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the file cannot be written or holds a vector of another width.
    pub fn embed(
        &mut self,
        encoder: &dyn TextEncoder,
        texts: &[String],
        dim: usize,
    ) -> Result<Vec<Vec<f32>>, EncodeError> {
        let mut grown = false;
        let mut embeddings = Vec::with_capacity(texts.len());
        for text in texts {
            let key = key(encoder.name(), text, dim);
            let row = self.rows.entry(key.clone()).or_insert_with(|| {
                grown = true;
                encoder.encode(text, dim)
            });
            if row.len() != dim {
                return Err(EncodeError::Width { name: key, found: row.len(), expected: dim, path: self.path.clone() });
            }
            embeddings.push(row.clone());
        }
        if grown {
            write_table(&self.path, &self.rows)?;
        }
        Ok(embeddings)
    }
}

fn key(encoder: &str, text: &str, dim: usize) -> String {
    let mut key = format!("{encoder}/{dim}/");
    for byte in &Sha256::digest(text.as_bytes())[..16] {
        write!(key, "{byte:02x}").expect("writing to a string succeeds");
    }
    key
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::encode::HashedNgrams;

    struct Counting(Cell<usize>);

    impl TextEncoder for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }
        fn encode(&self, text: &str, dim: usize) -> Vec<f32> {
            self.0.set(self.0.get() + 1);
            vec![text.len() as f32; dim]
        }
    }

    #[test]
    fn a_text_is_encoded_once_over_all_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache/text.safetensors");
        let encoder = Counting(Cell::new(0));
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut cache = EmbeddingCache::open(&path).expect("opens");
        let rows = cache.embed(&encoder, &texts(&["a", "bb", "a"]), 4).expect("embeds");
        assert_eq!(rows, [vec![1.0; 4], vec![2.0; 4], vec![1.0; 4]]);
        let mut again = EmbeddingCache::open(&path).expect("opens");
        assert_eq!(again.embed(&encoder, &texts(&["bb", "a"]), 4).expect("embeds"), [vec![2.0; 4], vec![1.0; 4]]);
        assert_eq!(encoder.0.get(), 2);
        again.embed(&encoder, &texts(&["a"]), 5).expect("embeds");
        assert_eq!(encoder.0.get(), 3, "another width is another vector");
        let other = again.embed(&HashedNgrams, &texts(&["a"]), 4).expect("embeds");
        assert_ne!(other[0], vec![1.0; 4], "another encoder is another vector");
    }

    #[test]
    fn a_damaged_cache_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("text.safetensors");
        std::fs::write(&path, b"not tensors").expect("writes");
        let message = EmbeddingCache::open(&path).expect_err("damaged").to_string();
        assert!(message.ends_with("text.safetensors"), "{message}");
    }
}
