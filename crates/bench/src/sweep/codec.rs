//! The sweep over payloads, for each codec.

use pool::settings::CodecKind;

use crate::{
    candidate::Candidate,
    point::{Point, US},
    report::Sweep,
    settings::Settings,
};

/// Payloads of increasing size, with all codecs in the same rounds.
pub(super) fn points(settings: &Settings) -> Vec<Point> {
    let (step, last) = if settings.quick { (256, 1 << 20) } else { (16, 16 << 20) };
    let sizes = std::iter::successors(Some(16), |size| Some(size * step)).take_while(|&size| size <= last);
    let candidate = |codec| Candidate::processes(settings.workers).with_codec(codec);
    let point = |bytes| Point {
        sweep: Sweep::Codec,
        grain_ns: US,
        bytes,
        candidates: CodecKind::ALL.iter().copied().map(candidate).collect(),
    };
    sizes.map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_range_from_bytes_to_mebibytes() {
        let sizes = |quick| -> Vec<usize> {
            points(&Settings::with_defaults(quick)).iter().map(|point| point.bytes).collect()
        };
        assert_eq!(sizes(false), [16, 256, 4 << 10, 64 << 10, 1 << 20, 16 << 20]);
        assert_eq!(sizes(true), [16, 4 << 10, 1 << 20]);
    }
}
