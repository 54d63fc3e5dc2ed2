//! The files of the dashboard.

use crate::support::Serving;

#[tokio::test]
async fn the_page_and_its_parts_are_served_with_a_strict_policy() {
    let serving = Serving::start().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/assets/js/app.js", "text/javascript; charset=utf-8"),
        ("/assets/css/base.css", "text/css; charset=utf-8"),
        ("/assets/favicon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
    ] {
        let answer = serving.send(&format!("GET {path}"), &[], "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(!answer.body.is_empty());
    }
}

#[tokio::test]
async fn what_the_browser_has_already_is_not_sent_again() {
    let serving = Serving::start().await;
    let first = serving.send("GET /", &[], "").await;
    let tag = first.header("etag").unwrap();
    let again = serving.send("GET /", &[&format!("if-none-match: {tag}")], "").await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag)));
    assert_eq!(serving.send("GET /", &["if-none-match: \"other\""], "").await.status, 200);
}

#[tokio::test]
async fn no_path_leads_out_of_the_embedded_files() {
    let serving = Serving::start().await;
    for path in [
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets//etc/passwd",
        "/assets/js",
        "/assets/js/",
        "/assets/none.js",
        "/assets/%00",
        "/assets/index.html%00.js",
    ] {
        assert_eq!(serving.send(&format!("GET {path}"), &[], "").await.status, 404, "{path}");
    }
}
