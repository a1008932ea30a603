//! Placement of labels that would overlap.

/// Moves heights as little as needed to be at least `gap` apart, within `top` and `bottom`. With too many
/// labels for the range, the gap is smaller.
pub(super) fn without_overlap(heights: &[f64], gap: f64, (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|one, other| heights[*one].total_cmp(&heights[*other]));
    // With too many labels the gap shrinks.
    let gap = gap.min((bottom - top) / heights.len().max(1) as f64);
    let mut groups: Vec<LabelGroup> = Vec::new();
    for index in order {
        groups.push(LabelGroup { preferred: heights[index], members: vec![index] });
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

/// Adjacent labels, from top to bottom.
struct LabelGroup {
    /// Preferred middle.
    preferred: f64,
    members: Vec<usize>,
}

impl LabelGroup {
    fn length(&self, gap: f64) -> f64 {
        (self.members.len() - 1) as f64 * gap
    }

    fn start(&self, gap: f64, (top, bottom): (f64, f64)) -> f64 {
        let length = self.length(gap);
        (self.preferred - length / 2.0).min(bottom - length).max(top)
    }

    fn end(&self, gap: f64, ends: (f64, f64)) -> f64 {
        self.start(gap, ends) + self.length(gap)
    }
}

/// Merges the last two groups, at the mean of the preferred positions of all members.
fn join_last(groups: &mut Vec<LabelGroup>) {
    let (Some(below), Some(mut above)) = (groups.pop(), groups.pop()) else { return };
    let (many, more) = (above.members.len() as f64, below.members.len() as f64);
    above.preferred = (above.preferred * many + below.preferred * more) / (many + more);
    above.members.extend(below.members);
    groups.push(above);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_that_do_not_overlap_stay() {
        assert_eq!(without_overlap(&[10.0, 50.0], 12.0, (0.0, 100.0)), [10.0, 50.0]);
        assert_eq!(without_overlap(&[], 12.0, (0.0, 100.0)), [0.0; 0]);
    }

    #[test]
    fn labels_that_overlap_move_to_both_sides() {
        assert_eq!(without_overlap(&[50.0, 50.0, 90.0], 12.0, (0.0, 100.0)), [44.0, 56.0, 90.0]);
        assert_eq!(without_overlap(&[51.0, 49.0], 12.0, (0.0, 100.0)), [56.0, 44.0]);
    }

    #[test]
    fn labels_stay_on_the_sheet() {
        assert_eq!(without_overlap(&[1.0, 0.0], 12.0, (0.0, 100.0)), [12.0, 0.0]);
        assert_eq!(without_overlap(&[99.0, 100.0], 12.0, (0.0, 100.0)), [88.0, 100.0]);
    }

    proptest! {
        #[test]
        fn labels_are_separated_and_inside(heights in prop::collection::vec(0.0..100.0, 0..30)) {
            let mut places = without_overlap(&heights, 12.0, (0.0, 100.0));
            places.sort_by(f64::total_cmp);
            let gap = 12_f64.min(100.0 / heights.len().max(1) as f64);
            prop_assert!(places.windows(2).all(|pair| pair[1] - pair[0] > gap - 1e-6), "{:?}", places);
            prop_assert!(places.iter().all(|place| (-1e-6..=100.0 + 1e-6).contains(place)));
        }
    }
}
