use super::*;

fn post(webhook: &Webhook, body: &str) -> String {
    let mut client = TcpStream::connect(webhook.address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(client, "POST /x HTTP/1.1\r\nhost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn events_are_taken_but_for_every_fortieth_request() {
    let webhook = Webhook::start().unwrap();
    for n in 1..=OUT_OF_ORDER_EVERY {
        let answer = post(&webhook, &format!(r#"{{"id":"{n}"}}"#));
        let expected = if n == OUT_OF_ORDER_EVERY { "HTTP/1.1 500 " } else { "HTTP/1.1 200 " };
        assert!(answer.starts_with(expected), "{n}: {answer}");
    }
    assert!(post(&webhook, "no event").starts_with("HTTP/1.1 400 "));
    let posts = webhook.posts();
    assert_eq!((posts.received, posts.refused), (OUT_OF_ORDER_EVERY + 1, 1));
    let ids: Vec<&str> = posts.taken.iter().map(|taken| taken.id.as_str()).collect();
    assert_eq!((ids.len(), ids[0], ids[38]), (39, "1", "39"));
}

#[test]
fn a_request_that_breaks_off_is_not_counted() {
    let read = |text: &str| read_request(&mut text.as_bytes());
    assert_eq!(read("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nab").unwrap(), b"ab");
    assert_eq!(read("POST / HTTP/1.1\r\n\r\n").unwrap(), b"");
    for broken in ["", "POST / HTTP/1.1\r\n", "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab"] {
        assert_eq!(read(broken).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{broken:?}");
    }
}
