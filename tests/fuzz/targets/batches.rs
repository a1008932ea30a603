//! Packets and payloads of arbitrary bytes, as a faulty peer may send them.

#![no_main]

use std::{collections::BTreeMap, fmt::Debug};

use job::Panic;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wire::{
    CodecKind, Inbox, Message,
    batch::{JobsView, OutcomesView},
    handshake::{FinalReport, Hello, Started, Welcome, unpack},
    memory_pair,
};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Sample {
    Unit,
    Number(i128),
    Text { words: Vec<String>, last: Option<char> },
    Map(BTreeMap<u16, Box<Sample>>),
    Flags([bool; 3], u8, f32),
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    decode_all(bytes);
    let (ours, theirs) = memory_pair();
    for packet in packets(bytes) {
        ours.sender.send(packet).expect("the other end is closed");
    }
    drop(ours);
    let mut inbox = Inbox::new(theirs.receiver);
    while let Ok(message) = inbox.receive(|| Ok(())) {
        read(&message);
    }
});

/// Splits the input into packets, each preceded by its length in two bytes.
fn packets(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&[low, high], after) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes([low, high])).min(after.len());
        let (packet, after) = after.split_at(length);
        rest = after;
        Some(packet)
    })
}

fn read(message: &Message) {
    assert!(message.len() >= message.body().len() + 2);
    if let Some(view) = JobsView::read(message) {
        assert_eq!(view.payloads().count(), view.count as usize);
        view.payloads().for_each(decode_all);
    }
    if let Some(view) = OutcomesView::read(message) {
        assert_eq!(view.outcomes().count(), view.count as usize);
        assert!(view.durations().is_none_or(|durations| durations.count() == view.count as usize));
        view.outcomes().for_each(|(_, payload)| decode_all(payload));
    }
    let _ = unpack::<Hello>(message).map(|hello| hello.check("probe"));
    let _ = unpack::<Started>(message);
    if let Ok(welcome) = unpack::<Welcome>(message) {
        decode_all(&welcome.context);
    }
    if let Ok(FinalReport::Report(report)) = unpack(message) {
        decode_all(&report);
    }
}

fn decode_all(bytes: &[u8]) {
    decode::<(u64, String)>(bytes);
    decode::<Vec<Option<Vec<i16>>>>(bytes);
    decode::<Panic>(bytes);
    decode::<char>(bytes);
    let _ = CodecKind::Bincode.decode::<Sample>(bytes);
}

/// Checks that a value that can be decoded can be encoded, and is then decoded to the same value.
fn decode<T: Serialize + DeserializeOwned + Debug + PartialEq>(bytes: &[u8]) {
    let Ok(value) = CodecKind::Bincode.decode::<T>(bytes) else { return };
    let mut encoded = Vec::new();
    CodecKind::Bincode.encode(&value, &mut encoded).expect("cannot encode a decoded value");
    assert_eq!(CodecKind::Bincode.decode::<T>(&encoded).expect("cannot decode an encoded value"), value);
}
