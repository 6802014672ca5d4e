//! Entry points of the fuzz targets (`fuzz/`): the parsers of untrusted input.

use crate::nats::wire::{Broadcast, HolderReply, HolderRequest};

/// Whether a message between nodes that is decoded is encoded to bytes that are decoded as itself; `None` if the bytes are no message.
pub fn message(bytes: &[u8]) -> Option<bool> {
    let request = HolderRequest::decode(bytes)
        .map(|read| HolderRequest::decode(&read.encode()).as_ref() == Some(&read));
    let reply =
        HolderReply::decode(bytes).map(|read| HolderReply::decode(&read.encode()) == Some(read));
    let broadcast =
        Broadcast::decode(bytes).map(|read| Broadcast::decode(&read.encode()) == Some(read));
    [request, reply, broadcast].into_iter().flatten().reduce(|all, one| all && one)
}
