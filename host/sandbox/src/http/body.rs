//! The body of a response, which ends with an error when it is too slow or when the call that asked for it is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

use super::secrets;
use crate::template::Inner;

/// A body with a clock.
pub(super) struct Guarded {
    template: Arc<Inner>,
    body: Incoming,
    between_bytes: Duration,
    timer: Pin<Box<Sleep>>,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    over: bool,
}

impl Guarded {
    pub(super) fn new(
        template: Arc<Inner>,
        body: Incoming,
        between_bytes: Duration,
        mut end: watch::Receiver<()>,
    ) -> Self {
        let end = Box::pin(async move {
            // The sender never sends: the only change is its end.
            let _ended = end.changed().await;
        });
        Self { template, body, between_bytes, timer: Box::pin(tokio::time::sleep(between_bytes)), end, over: false }
    }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        this.over = this.over || this.end.as_mut().poll(context).is_ready();
        if this.over {
            return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
        }
        if let Poll::Ready(frame) = std::pin::pin!(this.body.frame()).poll(context) {
            this.timer.as_mut().reset(Instant::now() + this.between_bytes);
            let template = &this.template;
            let hidden = |mut frame: Frame<Bytes>| {
                if let Some(trailers) = frame.trailers_mut() {
                    secrets::hide(&template.secrets, trailers);
                }
                frame
            };
            return Poll::Ready(frame.map(|frame| frame.map(hidden).map_err(Error::from)));
        }
        match this.timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Error::ConnectionReadTimeout))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
