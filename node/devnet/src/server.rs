//! HTTP JSON-RPC, for wallets, `cast` and nodes in other processes.

use crate::DevNet;
use crate::rpc::{self, RpcError};
use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;

/// Why the server did not start or stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    #[error("cannot listen on {address}: {source}")]
    Bind {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("{0} can be reached from other machines and a development chain obeys anybody; listen on 127.0.0.1")]
    Remote(SocketAddr),
    #[error("the HTTP server stopped: {0}")]
    Io(#[from] std::io::Error),
}

impl DevNet {
    /// Listens on loopback; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ServeError::Bind`] when the port is taken.
    pub async fn bind(port: u16) -> Result<TcpListener, ServeError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::Bind { address, source })
    }

    /// Serves until `shutdown` resolves; requests under way are finished first.
    ///
    /// # Errors
    /// [`ServeError::Remote`] for a listener beyond loopback, unless the configuration allows it.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() && !self.config().allow_remote {
            return Err(ServeError::Remote(address));
        }
        let limit = DefaultBodyLimit::max(self.config().max_body);
        let app = Router::new().route("/", post(handle)).layer(limit).with_state(self);
        tracing::info!(%address, "development chain listening");
        Ok(axum::serve(listener, app).with_graceful_shutdown(shutdown).await?)
    }
}

async fn handle(State(net): State<DevNet>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    // A page in a browser may post to loopback, but not as JSON without asking first (CORS), and nobody says yes here.
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("application/json"));
    if !is_json {
        let error = RpcError::Request("send content-type: application/json".into());
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            let text = format!("{} (at most {} bytes)", rejection.body_text(), net.config().max_body);
            return refuse(rejection.status(), &RpcError::Request(text));
        }
    };
    match tokio::task::spawn_blocking(move || rpc::reply(&net, &body)).await {
        Ok(Some(reply)) => Json(reply).into_response(),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            &RpcError::Chain(crate::ChainError::Stopped),
        ),
    }
}

fn refuse(status: StatusCode, error: &RpcError) -> Response {
    (
        status,
        Json(json!({ "jsonrpc": "2.0", "id": null, "error": error.payload() })),
    )
        .into_response()
}
