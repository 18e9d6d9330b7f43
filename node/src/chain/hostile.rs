//! An endpoint on loopback that answers as a test tells it to: honestly from a development chain, or not.

use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zkaggle_config::RpcUrl;
use zkaggle_devnet::DevNet;

/// What goes back for one request.
pub enum Reply {
    /// What the chain says.
    Honest,
    /// This result instead.
    Result(Value),
    /// This JSON-RPC error.
    Error(i64, &'static str),
    /// Any status, header and body.
    Http(u16, &'static str, Vec<u8>),
    /// The connection stays open and nothing comes.
    Hang,
    /// The connection is closed without an answer.
    Close,
    /// Bytes without end.
    Endless,
}

type Mood = Box<dyn FnMut(&str, &Value) -> Reply + Send>;

/// A running endpoint; ends with its test's runtime.
#[derive(Clone)]
pub struct Hostile {
    pub url: RpcUrl,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hostile {
    /// Serves `net`, answering as `mood` says for each method and its parameters.
    pub async fn serve(net: DevNet, mood: impl FnMut(&str, &Value) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/KEY", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let me = Self {
            url,
            mood: Arc::new(Mutex::new(Box::new(mood))),
            asked: Arc::default(),
        };
        let server = me.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, net) = (server.clone(), net.clone());
                tokio::spawn(async move { server.connection(stream, net).await });
            }
        });
        me
    }

    pub fn set(&self, mood: impl FnMut(&str, &Value) -> Reply + Send + 'static) {
        *self.mood.lock().unwrap() = Box::new(mood);
    }

    /// Methods asked since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    async fn connection(&self, mut stream: TcpStream, net: DevNet) {
        let Some(body) = request(&mut stream).await else { return };
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let method = asked["method"].as_str().unwrap_or_default().to_owned();
        self.asked.lock().unwrap().push(method.clone());
        let reply = (self.mood.lock().unwrap())(&method, &asked["params"]);
        let envelope = |inner: Value| {
            let mut v = json!({ "jsonrpc": "2.0", "id": asked["id"] });
            v.as_object_mut().unwrap().extend(inner.as_object().unwrap().clone());
            (200, "x: y", v.to_string().into_bytes())
        };
        let (status, header, body) = match reply {
            Reply::Honest => {
                let answer = tokio::task::spawn_blocking(move || zkaggle_devnet::rpc::reply(&net, &body)).await;
                (200, "x: y", answer.unwrap().unwrap().to_string().into_bytes())
            }
            Reply::Result(v) => envelope(json!({ "result": v })),
            Reply::Error(code, message) => envelope(json!({ "error": { "code": code, "message": message } })),
            Reply::Http(status, header, body) => (status, header, body),
            Reply::Close => return,
            Reply::Hang => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                return;
            }
            Reply::Endless => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[";
                let _ = stream.write_all(head.as_bytes()).await;
                let junk = vec![b' '; 1 << 20];
                while stream.write_all(&junk).await.is_ok() {}
                return;
            }
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{header}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&body).await;
    }
}

/// Reads one HTTP request's body.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length: usize = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length:"))?
            .trim()
            .parse()
            .ok()?;
        if bytes.len() >= end + 4 + length {
            return Some(bytes[end + 4..end + 4 + length].to_vec());
        }
    }
}
