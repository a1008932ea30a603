//! Which rows of a matrix of bits add up to zero: Gauss's elimination.

/// Sets of rows whose sum is zero. A row is the columns in which it has a one, each below `columns`.
pub(super) fn dependencies(rows: impl Iterator<Item = Vec<u32>>, columns: usize) -> Vec<Vec<usize>> {
    let mut reduced: Vec<Row> = Vec::new();
    // For each column the row that begins there.
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

/// A sum of rows.
struct Row {
    bits: Vec<u64>,
    /// Of which rows.
    sum_of: Vec<u64>,
}

impl Row {
    fn new(ones: &[u32], columns: usize, index: usize) -> Row {
        let mut row = Row { bits: vec![0; columns.div_ceil(64)], sum_of: vec![0; index / 64 + 1] };
        ones.iter().for_each(|&one| row.bits[one as usize / 64] |= 1 << (one % 64));
        row.sum_of[index / 64] |= 1 << (index % 64);
        row
    }

    fn first(&self) -> Option<usize> {
        let word = self.bits.iter().position(|&word| word != 0)?;
        Some(64 * word + self.bits[word].trailing_zeros() as usize)
    }

    /// Adds an earlier one.
    fn add(&mut self, other: &Row) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(bits, other)| *bits ^= other);
        self.sum_of.iter_mut().zip(&other.sum_of).for_each(|(rows, other)| *rows ^= other);
    }

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
        fn each_sum_is_zero_and_there_are_enough(
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
