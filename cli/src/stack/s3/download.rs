//! Streams a part of a file into a response.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use s3s::StdError;
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::io::{AsyncRead as _, ReadBuf};

const CHUNK: usize = 64 * 1024;

/// The bytes `range` of `file`. Their number is known beforehand, so the response has a Content-Length.
///
/// # Errors
/// If the file can't seek.
pub(super) fn stream(mut file: File, range: &Range<u64>) -> io::Result<StreamingBlob> {
    file.seek(SeekFrom::Start(range.start))?;
    Ok(StreamingBlob::new(FileRange {
        file: tokio::fs::File::from_std(file),
        left: range.end - range.start,
        buffer: vec![0; CHUNK],
    }))
}

struct FileRange {
    file: tokio::fs::File,
    left: u64,
    buffer: Vec<u8>,
}

impl Stream for FileRange {
    type Item = Result<Bytes, StdError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let wanted = usize::try_from(this.left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut buffer = ReadBuf::new(&mut this.buffer[..wanted]);
        ready!(Pin::new(&mut this.file).poll_read(context, &mut buffer))?;
        let read = buffer.filled();
        if read.is_empty() {
            this.left = 0;
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())));
        }
        this.left -= read.len() as u64;
        Poll::Ready(Some(Ok(Bytes::copy_from_slice(read))))
    }
}

impl ByteStream for FileRange {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.left).map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}
