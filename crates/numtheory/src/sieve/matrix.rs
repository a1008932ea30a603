//! Gaussian elimination of a matrix over GF(2).

/// Returns sets of rows whose sum is zero. A row is given by the columns in which it is one, each below
/// `columns`.
pub(super) fn dependencies(rows: impl Iterator<Item = Vec<u32>>, columns: usize) -> Vec<Vec<usize>> {
    let mut reduced: Vec<Row> = Vec::new();
    // For each column the row whose first one is in that column.
    let mut pivots: Vec<Option<usize>> = vec![None; columns];
    let mut found = Vec::new();
    for (index, ones) in rows.enumerate() {
        let mut row = Row::new(&ones, columns, index);
        loop {
            let Some(first) = row.first() else {
                found.push(row.members());
                break;
            };
            match pivots[first] {
                Some(pivot) => row.add(&reduced[pivot]),
                None => {
                    pivots[first] = Some(reduced.len());
                    reduced.push(row);
                    break;
                }
            }
        }
    }
    found
}

/// A sum of rows of the matrix.
struct Row {
    bits: Vec<u64>,
    /// Bit set of the rows in this sum.
    sum_of: Vec<u64>,
}

impl Row {
    fn new(ones: &[u32], columns: usize, index: usize) -> Row {
        let mut row = Row { bits: vec![0; columns.div_ceil(64)], sum_of: vec![0; index / 64 + 1] };
        ones.iter().for_each(|&one| row.bits[one as usize / 64] |= 1 << (one % 64));
        row.sum_of[index / 64] |= 1 << (index % 64);
        row
    }

    /// Returns the first column that is one.
    fn first(&self) -> Option<usize> {
        let word = self.bits.iter().position(|&word| word != 0)?;
        Some(64 * word + self.bits[word].trailing_zeros() as usize)
    }

    /// Adds an earlier row.
    fn add(&mut self, other: &Row) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(bits, other)| *bits ^= other);
        self.sum_of.iter_mut().zip(&other.sum_of).for_each(|(rows, other)| *rows ^= other);
    }

    /// Returns the indices of the rows in this sum.
    fn members(&self) -> Vec<usize> {
        (0..64 * self.sum_of.len()).filter(|&row| self.sum_of[row / 64] >> (row % 64) & 1 == 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_dependencies_that_sum_to_zero(
            rows in prop::collection::vec(prop::collection::btree_set(0u32..70, 0..8), 1..100),
        ) {
            let rows: Vec<Vec<u32>> = rows.into_iter().map(|row| row.into_iter().collect()).collect();
            let found = dependencies(rows.iter().cloned(), 70);
            prop_assert!(found.len() + 70 >= rows.len());
            for dependency in found {
                prop_assert!(!dependency.is_empty());
                let mut times = [0; 70];
                dependency.iter().flat_map(|&row| &rows[row]).for_each(|&column| times[column as usize] += 1);
                prop_assert!(times.iter().all(|times| times % 2 == 0));
            }
        }
    }
}
