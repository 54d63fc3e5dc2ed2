//! HTTP on a port of the host.

use std::time::Duration;

use plugbus::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn one_call_of_the_builder_serves_http_and_the_stop_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Host::builder().data_dir(folder.path().join("d")).no_plugins().no_socket();
    let host = builder.http("127.0.0.1:0").start().await.unwrap();
    let addr = host.http_addr().unwrap();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("POST /v1/topics/a.b HTTP/1.1\r\nhost: {addr}\r\ncontent-length: 2\r\n\r\nhi");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 202");
    assert_eq!(host.bus().stats().accepted, 1);
    host.shutdown(Duration::from_secs(5)).await;
    assert!(TcpStream::connect(addr).await.is_err());
    let wrong = Host::builder().data_dir(folder.path().join("e")).no_plugins().no_socket().http("localhost:1");
    let error = wrong.start().await.unwrap_err().to_string();
    assert!(error.starts_with("HostBuilder::http: `http.listen` is `localhost:1`; an IP address"), "{error}");
}
