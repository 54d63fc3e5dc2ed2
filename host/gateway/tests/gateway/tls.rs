//! HTTPS.

use std::sync::Arc;
use std::time::Duration;

use plugbus_bus::Bus;
use plugbus_gateway::{Gateway, Settings, TlsFiles};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{Serving, chain};

/// A certificate for `localhost`, its key, and a client that trusts it.
fn certificate() -> (TempDir, TlsFiles, TlsConnector) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.cert, cert.pem()).unwrap();
    std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(cert.der().to_vec())).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let client = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    (folder, files, TlsConnector::from(Arc::new(client.with_no_client_auth())))
}

#[tokio::test]
async fn https_is_served_and_plain_http_is_not() {
    let (_folder, files, client) = certificate();
    let serving = Serving::start_with(Bus::default(), |settings| settings.tls = Some(files)).await;
    let stream = TcpStream::connect(serving.addr()).await.unwrap();
    let mut stream = client.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let request = "POST /v1/topics/a HTTP/1.1\r\nhost: localhost\r\norigin: https://localhost\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // The peer may close without a last word of TLS.
    drop(stream.read_to_string(&mut answer).await);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(serving.send("POST /v1/topics/a", &[], "").await.status, 0);
    serving.until("the other was counted", || serving.gateway.stats().handshakes_failed == 1).await;
    assert_eq!(serving.bus.stats().accepted, 1);
}

#[tokio::test]
async fn a_handshake_that_is_never_finished_is_given_up() {
    let (_folder, files, _) = certificate();
    let serving = Serving::start_with(Bus::default(), |settings| {
        settings.tls = Some(files);
        settings.header_timeout = Duration::from_millis(100);
    })
    .await;
    serving.connect().await.until_closed().await;
    serving.until("it was counted", || serving.gateway.stats().handshakes_failed == 1).await;
}

#[tokio::test]
async fn a_certificate_or_key_that_is_none_is_named() {
    let (_folder, files, _) = certificate();
    let bound = async |files: TlsFiles| {
        let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), tls: Some(files), ..Settings::default() };
        let bound = Gateway::new(Bus::default(), None, settings).unwrap().bind().await;
        bound.map(drop).map_err(|error| chain(&error))
    };
    assert_eq!(bound(files.clone()).await, Ok(()));
    let swapped = TlsFiles { cert: files.key.clone(), key: files.cert.clone() };
    let error = bound(swapped).await.unwrap_err();
    assert!(error.starts_with("cannot read certificates out of /") && error.contains("(`tls.cert`)"), "{error}");
    let missing = TlsFiles { key: "/nonexistent/key.pem".into(), ..files.clone() };
    let error = bound(missing).await.unwrap_err();
    assert!(error.contains("cannot read a private key out of /nonexistent/key.pem (`tls.key`)"), "{error}");
    let (_other, other, _) = certificate();
    let error = bound(TlsFiles { key: other.key, ..files }).await.unwrap_err();
    assert!(error.contains("the certificate (`tls.cert`) and the key (`tls.key`) cannot be used"), "{error}");
}

#[tokio::test]
async fn another_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let (_folder, files, client) = certificate();
    let serving = Serving::start_with(Bus::default(), |settings| settings.tls = Some(files.clone())).await;
    let connect = async |client: &TlsConnector| {
        let stream = TcpStream::connect(serving.addr()).await.unwrap();
        client.connect(ServerName::try_from("localhost").unwrap(), stream).await
    };
    let request = b"POST /v1/topics/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi";
    let mut old = connect(&client).await.unwrap();
    let (_other, renewed, new_client) = certificate();
    // A key that does not fit: the certificate of before stays.
    std::fs::copy(&renewed.key, &files.key).unwrap();
    let errors = serving.gateway.reread();
    assert!(errors.len() == 1 && chain(&errors[0]).contains("cannot be used"), "{errors:?}");
    assert!(connect(&client).await.is_ok());
    std::fs::copy(&renewed.cert, &files.cert).unwrap();
    assert!(serving.gateway.reread().is_empty());
    assert!(connect(&client).await.is_err() && connect(&new_client).await.is_ok());
    old.write_all(request).await.unwrap();
    let mut answer = [0; 13];
    old.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 202 ");
}
