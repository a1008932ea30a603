//! Places for names that would lie on each other.

/// Moves heights as little as it takes to have them so far from each other, within two ends if they can be.
pub(super) fn apart(heights: &[f64], gap: f64, (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|one, other| heights[*one].total_cmp(&heights[*other]));
    // Where there are too many, they come closer.
    let gap = gap.min((bottom - top) / heights.len().max(1) as f64);
    let mut groups: Vec<Group> = Vec::new();
    for index in order {
        groups.push(Group { wish: heights[index], members: vec![index] });
        while let [.., above, below] = &groups[..]
            && above.end(gap, (top, bottom)) + gap > below.start(gap, (top, bottom))
        {
            join_last(&mut groups);
        }
    }
    let mut places = vec![0.0; heights.len()];
    for group in &groups {
        let start = group.start(gap, (top, bottom));
        for (rank, member) in group.members.iter().enumerate() {
            places[*member] = start + rank as f64 * gap;
        }
    }
    places
}

/// Names that stand close together, from top to bottom.
struct Group {
    /// Where its middle should be.
    wish: f64,
    members: Vec<usize>,
}

impl Group {
    fn length(&self, gap: f64) -> f64 {
        (self.members.len() - 1) as f64 * gap
    }

    fn start(&self, gap: f64, (top, bottom): (f64, f64)) -> f64 {
        let length = self.length(gap);
        (self.wish - length / 2.0).min(bottom - length).max(top)
    }

    fn end(&self, gap: f64, ends: (f64, f64)) -> f64 {
        self.start(gap, ends) + self.length(gap)
    }
}

/// Makes one group of the last two, in the middle of where all its members wanted to be.
fn join_last(groups: &mut Vec<Group>) {
    let (Some(below), Some(mut above)) = (groups.pop(), groups.pop()) else { return };
    let (many, more) = (above.members.len() as f64, below.members.len() as f64);
    above.wish = (above.wish * many + below.wish * more) / (many + more);
    above.members.extend(below.members);
    groups.push(above);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_apart_stays() {
        assert_eq!(apart(&[10.0, 50.0], 12.0, (0.0, 100.0)), [10.0, 50.0]);
        assert_eq!(apart(&[], 12.0, (0.0, 100.0)), [0.0; 0]);
    }

    #[test]
    fn what_is_close_moves_to_both_sides() {
        assert_eq!(apart(&[50.0, 50.0, 90.0], 12.0, (0.0, 100.0)), [44.0, 56.0, 90.0]);
        assert_eq!(apart(&[51.0, 49.0], 12.0, (0.0, 100.0)), [56.0, 44.0]);
    }

    #[test]
    fn nothing_leaves_the_sheet() {
        assert_eq!(apart(&[1.0, 0.0], 12.0, (0.0, 100.0)), [12.0, 0.0]);
        assert_eq!(apart(&[99.0, 100.0], 12.0, (0.0, 100.0)), [88.0, 100.0]);
    }

    proptest! {
        #[test]
        fn names_are_apart_and_inside(heights in prop::collection::vec(0.0..100.0, 0..30)) {
            let mut places = apart(&heights, 12.0, (0.0, 100.0));
            places.sort_by(f64::total_cmp);
            let gap = 12_f64.min(100.0 / heights.len().max(1) as f64);
            prop_assert!(places.windows(2).all(|pair| pair[1] - pair[0] > gap - 1e-6), "{:?}", places);
            prop_assert!(places.iter().all(|place| (-1e-6..=100.0 + 1e-6).contains(place)));
        }
    }
}
