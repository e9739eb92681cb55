//! Writing an observation entry by entry.

/// The observation row of one instance, filled from its start.
pub(crate) struct Row<'a> {
    row: &'a mut [f32],
    filled: usize,
}

impl<'a> Row<'a> {
    /// An empty row as wide as the observation.
    pub(crate) fn new(row: &'a mut [f32]) -> Self {
        Self { row, filled: 0 }
    }

    /// Writes the next entry.
    #[inline]
    pub(crate) fn push(&mut self, value: f64) {
        self.row[self.filled] = value as f32;
        self.filled += 1;
    }

    /// Writes the next entries.
    #[inline]
    pub(crate) fn extend(&mut self, values: impl IntoIterator<Item = f64>) {
        values.into_iter().for_each(|value| self.push(value));
    }

    /// Whether every entry is written.
    pub(crate) fn is_full(&self) -> bool {
        self.filled == self.row.len()
    }
}
