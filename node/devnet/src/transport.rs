//! The in-process transport: alloy's requests answered without a socket.

use crate::DevNet;
use crate::rpc::{RpcError, answer};
use alloy::rpc::json_rpc::{RequestPacket, Response, ResponsePacket, ResponsePayload, SerializedRequest};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use std::task::{Context, Poll};

impl tower::Service<RequestPacket> for DevNet {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    /// Runs on a blocking thread: a transaction may take a second of computing.
    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let net = self.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || net.packet(packet))
                .await
                .map_err(TransportErrorKind::custom)
        })
    }
}

impl DevNet {
    fn packet(&self, packet: RequestPacket) -> ResponsePacket {
        match packet {
            RequestPacket::Single(request) => ResponsePacket::Single(self.respond(&request)),
            RequestPacket::Batch(requests) => {
                ResponsePacket::Batch(requests.iter().map(|request| self.respond(request)).collect())
            }
        }
    }

    fn respond(&self, request: &SerializedRequest) -> Response {
        let result = answer(self, request.method(), request.params())
            .and_then(|value| serde_json::value::to_raw_value(&value).map_err(|e| RpcError::Encode(e.to_string())));
        let payload = match result {
            Ok(value) => ResponsePayload::Success(value),
            Err(error) => ResponsePayload::Failure(error.payload()),
        };
        Response {
            id: request.id().clone(),
            payload,
        }
    }
}
