//! A small HTTP server on this machine: it keeps every request and answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `POST /path HTTP/1.1`.
    pub(crate) line: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// An address that refuses connections until a server listens on it. Nobody else can take it meanwhile.
pub(crate) struct Reserved(TcpSocket);

/// A server; it ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

/// Makes an answer of the number of the request, from 0, and of the request.
type Answer = dyn Fn(usize, &Request) -> String + Send + Sync;

impl Request {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    async fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let line = read_line(stream).await?;
        let mut headers = Vec::new();
        while let Some((name, value)) = read_line(stream).await?.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { line, headers, body: Vec::new() };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        request.body.resize(length, 0);
        stream.read_exact(&mut request.body).await.ok()?;
        Some(request)
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
    Some(line.trim_end().to_owned())
}

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self(socket)
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Begins to serve.
    pub(crate) fn serve(self, answer: impl Fn(usize, &Request) -> String + Send + Sync + 'static) -> Server {
        let listener = self.0.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let task = tokio::spawn(accept(listener, requests.clone(), Arc::new(answer)));
        Server { address, requests, task }
    }
}

impl Server {
    /// A server on a free port.
    pub(crate) fn start(answer: impl Fn(usize, &Request) -> String + Send + Sync + 'static) -> Self {
        Reserved::new().serve(answer)
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every request so far, in the order in which they were read.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, requests: Arc<Mutex<Vec<Request>>>, answer: Arc<Answer>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (requests, answer) = (requests.clone(), answer.clone());
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let Some(request) = Request::read(&mut stream).await else { return };
            let text = {
                let mut requests = requests.lock().unwrap();
                requests.push(request.clone());
                answer(requests.len() - 1, &request)
            };
            // A client that has gone does not want it.
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        });
    }
}

/// An answer of a status and a text.
pub(crate) fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// An answer that points elsewhere.
pub(crate) fn redirect(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}
