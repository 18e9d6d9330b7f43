//! Fewer and larger writes below the multiplexer.
//!
//! Yamux flushes after each frame of 16 KiB. A flush makes noise encrypt what it has gathered and the socket send it,
//! so that a block would travel as sixteen messages and as many system calls. Here a flush waits for one more turn of
//! the connection's task: what is written until then goes along, and noise and the socket gather by their own limits.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite, TryFutureExt, future::MapOk};
use libp2p::{
    PeerId,
    core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
};

/// A secured stream whose flushes wait a turn while it is written to.
pub(crate) struct Batch<S> {
    inner: S,
    /// Something was written since a flush was last asked for.
    written: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Batch<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Batch<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.written = true;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.written) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// A security upgrade with a [`Batch`] above what it makes.
#[derive(Clone)]
pub(crate) struct Batched<U>(pub U);

type Secured<S> = (PeerId, S);
type Batching<F, S> = MapOk<F, fn(Secured<S>) -> Secured<Batch<S>>>;

fn batch<S>((peer, inner): Secured<S>) -> Secured<Batch<S>> {
    let written = false;
    (peer, Batch { inner, written })
}

impl<U: UpgradeInfo> UpgradeInfo for Batched<U> {
    type Info = U::Info;
    type InfoIter = U::InfoIter;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.protocol_info()
    }
}

impl<C, S, U: InboundConnectionUpgrade<C, Output = Secured<S>>> InboundConnectionUpgrade<C> for Batched<U> {
    type Output = Secured<Batch<S>>;
    type Error = U::Error;
    type Future = Batching<U::Future, S>;

    fn upgrade_inbound(self, socket: C, info: Self::Info) -> Self::Future {
        self.0.upgrade_inbound(socket, info).map_ok(batch)
    }
}

impl<C, S, U: OutboundConnectionUpgrade<C, Output = Secured<S>>> OutboundConnectionUpgrade<C> for Batched<U> {
    type Output = Secured<Batch<S>>;
    type Error = U::Error;
    type Future = Batching<U::Future, S>;

    fn upgrade_outbound(self, socket: C, info: Self::Info) -> Self::Future {
        self.0.upgrade_outbound(socket, info).map_ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{AsyncWriteExt, future::poll_fn};

    /// Counts what reaches it.
    #[derive(Default)]
    struct Sink {
        bytes: usize,
        flushes: usize,
    }

    impl AsyncWrite for Sink {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.bytes += buf.len();
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushes += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_flush(cx)
        }
    }

    #[tokio::test]
    async fn a_flush_after_each_frame_becomes_one_after_the_last() {
        let (_, mut stream) = batch((PeerId::random(), Sink::default()));
        poll_fn(|cx| {
            // As yamux does: the answer to a flush is not waited for.
            for _ in 0..16 {
                assert!(Pin::new(&mut stream).poll_write(cx, &[0; 100]).is_ready());
                assert!(Pin::new(&mut stream).poll_flush(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!((stream.inner.bytes, stream.inner.flushes), (1600, 0));
        // The turn that the waker asked for, with nothing more to send.
        poll_fn(|cx| Pin::new(&mut stream).poll_flush(cx)).await.unwrap();
        assert_eq!(stream.inner.flushes, 1);
    }

    /// Whoever waits for a flush, or closes, gets it without anybody else's help.
    #[tokio::test]
    async fn a_flush_that_is_waited_for_comes() {
        let (_, mut stream) = batch((PeerId::random(), Sink::default()));
        stream.write_all(&[1; 10]).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.inner.flushes, 1);
        stream.write_all(&[1; 10]).await.unwrap();
        stream.close().await.unwrap();
        assert_eq!((stream.inner.bytes, stream.inner.flushes), (20, 2));
    }
}
