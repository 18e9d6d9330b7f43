//! Messages on a stream: an unsigned varint length, then the protobuf bytes.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use prost::Message as _;
use tokio::{sync::Semaphore, time::timeout};
use unsigned_varint::encode;

use super::message::{self, Block, DecodeError, MAX_MESSAGE, Message};

/// Bytes of one [`ReadBudget`] permit.
const PERMIT_BYTES: usize = 1024;
/// How much is read before more memory is asked for.
const CHUNK: usize = 64 * 1024;

/// Bounds the bytes of unfinished messages over all streams of a node.
#[derive(Clone)]
pub struct ReadBudget(Arc<Semaphore>);

impl ReadBudget {
    /// Allows this many bytes; never less than one whole message.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.max(MAX_MESSAGE).div_ceil(PERMIT_BYTES))))
    }
}

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("message of {size} bytes, at most {MAX_MESSAGE}")]
    TooLong { size: u64 },
    #[error("message did not arrive within {0:?}")]
    Stalled(Duration),
    #[error("too many unfinished messages from all peers together")]
    Busy,
    #[error("length prefix is not a varint of at most 5 bytes")]
    BadLength,
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads one message; `None` when the peer closed the stream between messages.
///
/// Waiting for a message to begin has no limit here: peers keep streams open. Once begun it has `patience`.
/// Memory grows as bytes arrive, never ahead by what a length prefix promises.
///
/// # Errors
/// [`ReadError`]; the stream is of no further use.
pub async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    budget: &ReadBudget,
    patience: Duration,
) -> Result<Option<Message>, ReadError> {
    let mut first = [0];
    if stream.read(&mut first).await? == 0 {
        return Ok(None);
    }
    let stalled = |_| ReadError::Stalled(patience);
    let size = timeout(patience, read_length(stream, first[0]))
        .await
        .map_err(stalled)??;
    let length = usize::try_from(size).ok().filter(|length| *length <= MAX_MESSAGE);
    let length = length.ok_or(ReadError::TooLong { size })?;
    let permits = u32::try_from(length.div_ceil(PERMIT_BYTES)).map_err(|_| ReadError::TooLong { size })?;
    // Every holder gives its share back within `patience`, so waiting twice that long is our fault, not the peer's.
    let held = timeout(2 * patience, budget.0.acquire_many(permits)).await;
    let _held = held.map_err(|_| ReadError::Busy)?.map_err(io::Error::other)?;
    let body = async {
        // Reserved, not touched: the system gives a page when something is written to it.
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let start = bytes.len();
            bytes.resize(length.min(start + CHUNK), 0);
            stream.read_exact(&mut bytes[start..]).await?;
        }
        Ok::<_, io::Error>(bytes)
    };
    let bytes = timeout(patience, body).await.map_err(stalled)??;
    Ok(Some(message::decode(bytes.into())?))
}

async fn read_length(stream: &mut (impl AsyncRead + Unpin), first: u8) -> Result<u64, ReadError> {
    let mut length = u64::from(first & 0x7f);
    let mut byte = [first];
    let mut shift = 7;
    while byte[0] & 0x80 != 0 {
        if shift > 28 {
            return Err(ReadError::BadLength);
        }
        stream.read_exact(&mut byte).await?;
        length |= u64::from(byte[0] & 0x7f) << shift;
        shift += 7;
    }
    Ok(length)
}

/// Writes one message and flushes it. Blocks are handed over where they lie: a copy of a megabyte that is used once
/// costs more than it saves.
///
/// # Errors
/// The stream's; `TimedOut` when the peer does not take the bytes within `patience`.
pub async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &Message,
    patience: Duration,
) -> Result<usize, io::Error> {
    let pieces = pieces(message);
    let written = async {
        for piece in &pieces {
            stream.write_all(piece).await?;
        }
        stream.flush().await
    };
    timeout(patience, written)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the peer does not read"))??;
    Ok(pieces.iter().map(Bytes::len).sum())
}

/// A message's bytes with its length before them: everything but the blocks, then a head and the data of each block.
///
/// Protobuf leaves the order of fields to the writer.
fn pieces(message: &Message) -> Vec<Bytes> {
    let rest = Message {
        wantlist: message.wantlist.clone(),
        payload: vec![],
        presences: message.presences.clone(),
        pending_bytes: message.pending_bytes,
    };
    let heads: Vec<Vec<u8>> = message.payload.iter().map(head).collect();
    let blocks: usize = (heads.iter().map(Vec::len).sum::<usize>())
        + (message.payload.iter().map(|block| block.data.len()).sum::<usize>());
    let mut before = Vec::new();
    put_varint(&mut before, rest.encoded_len() + blocks);
    before.extend(rest.encode_to_vec());
    let mut pieces = vec![];
    for (block, head) in message.payload.iter().zip(heads) {
        before.extend(head);
        pieces.push(std::mem::take(&mut before).into());
        pieces.push(block.data.clone());
    }
    if !before.is_empty() {
        pieces.push(before.into());
    }
    pieces
}

/// What stands before a block's data: field 3 of the message, and in it field 1, the prefix, and the head of field 2.
fn head(block: &Block) -> Vec<u8> {
    let mut inner = vec![0x0a];
    put_varint(&mut inner, block.prefix.len());
    inner.extend(&block.prefix);
    inner.push(0x12);
    put_varint(&mut inner, block.data.len());
    let mut head = vec![0x1a];
    put_varint(&mut head, inner.len() + block.data.len());
    head.extend(inner);
    head
}

fn put_varint(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(encode::usize(value, &mut encode::usize_buffer()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::io::Cursor;

    const PATIENCE: Duration = Duration::from_millis(100);

    async fn read_bytes(bytes: Vec<u8>) -> Result<Option<Message>, ReadError> {
        read(&mut Cursor::new(bytes), &ReadBudget::new(0), PATIENCE).await
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let message = Message {
            pending_bytes: 300,
            ..Default::default()
        };
        let mut wire = Cursor::new(Vec::new());
        write(&mut wire, &message, PATIENCE).await.unwrap();
        assert_eq!(read_bytes(wire.into_inner()).await.unwrap(), Some(message));
        assert_eq!(read_bytes(vec![]).await.unwrap(), None);
    }

    /// The bytes written by hand mean what the protobuf library's own do.
    #[tokio::test]
    async fn blocks_between_other_fields_are_read() {
        use super::super::message::{Presence, PresenceType, Wantlist};
        let block = |length: usize| Block {
            prefix: vec![1, 0x55, 0x12, 32],
            data: vec![length as u8; length].into(),
        };
        for lengths in [&[][..], &[0], &[1], &[127, 128], &[300_000, 5, 70_000]] {
            let message = Message {
                wantlist: Some(Wantlist {
                    entries: vec![],
                    full: true,
                }),
                payload: lengths.iter().map(|length| block(*length)).collect(),
                presences: vec![Presence {
                    cid: vec![7; 36],
                    kind: PresenceType::DontHave as i32,
                }],
                pending_bytes: -3,
            };
            let mut wire = Cursor::new(Vec::new());
            let written = write(&mut wire, &message, PATIENCE).await.unwrap();
            let bytes = wire.into_inner();
            assert_eq!(written, bytes.len());
            assert_eq!(read_bytes(bytes).await.unwrap(), Some(message));
        }
    }

    #[tokio::test]
    async fn bad_lengths_are_refused_before_memory_is_taken() {
        assert!(matches!(read_bytes(vec![0xff; 6]).await, Err(ReadError::BadLength)));
        let too_long = vec![0x81, 0x80, 0x80, 0x02];
        assert!(matches!(
            read_bytes(too_long).await,
            Err(ReadError::TooLong { size: 4_194_305 })
        ));
        assert!(
            matches!(read_bytes(vec![0x05, 0x00]).await, Err(ReadError::Io(_))),
            "cut short"
        );
        assert!(matches!(read_bytes(vec![0x01, 0xff]).await, Err(ReadError::Decode(_))));
    }

    #[tokio::test]
    async fn a_message_that_stops_halfway_ends_the_wait() {
        struct Stuck(usize);
        impl AsyncRead for Stuck {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<io::Result<usize>> {
                if self.0 == 0 {
                    return std::task::Poll::Pending;
                }
                self.0 -= 1;
                buffer[0] = 0x20;
                std::task::Poll::Ready(Ok(1))
            }
        }
        let result = read(&mut Stuck(10), &ReadBudget::new(0), PATIENCE).await;
        assert!(matches!(result, Err(ReadError::Stalled(_))));
    }
}
