use axum::body::Body;

use super::*;

fn access() -> Access {
    Access {
        hosts: ["localhost".to_owned()].into(),
        origins: ["https://mine.example".to_owned()].into(),
        token: Some("secret".to_owned()),
        tokens: Tokens::of("/nonexistent/tokens.json".into()),
    }
}

fn guard(access: Access) -> Guard {
    Guard {
        access: Arc::new(access),
        table: crate::http::scopes::API,
    }
}

fn code(path: &str, headers: &[(&str, &str)]) -> u16 {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            header::HeaderName::try_from(*name).unwrap(),
            value.parse().unwrap(),
        );
    }
    let admitted = access().admit(&path.parse().unwrap(), &map, &Needed::Token);
    admitted.map_or_else(|error| error.into_response().status().as_u16(), |_| 200)
}

#[test]
fn host_and_origin_come_before_the_token() {
    let own = ("host", "127.0.0.1:8080");
    let good = ("authorization", "Bearer secret");
    assert_eq!(code("/exec", &[own, good]), 200);
    assert_eq!(
        code(
            "/exec",
            &[("host", "LOCALHOST"), ("authorization", "token secret")]
        ),
        200
    );
    assert_eq!(code("/exec", &[("host", "[::1]:8080"), good]), 200);
    assert_eq!(code("/exec", &[("host", "evil.example"), good]), 403);
    assert_eq!(code("/exec", &[good]), 403);
    assert_eq!(code("/ping", &[own]), 200);
    assert_eq!(code("/health", &[own]), 200);
    assert_eq!(code("/health/exec", &[own]), 401);
    assert_eq!(code("/ping", &[("host", "127.0.0.1.evil.example")]), 403);
    assert_eq!(
        code("/exec", &[own, good, ("origin", "http://localhost")]),
        403
    );
    assert_eq!(
        code("/exec", &[own, good, ("origin", "https://mine.example")]),
        200
    );
    assert_eq!(code("/exec", &[own]), 401);
    // Which of two would count is not for us to guess.
    assert_eq!(code("/exec", &[own, own, good]), 400);
    assert_eq!(code("/exec", &[own, ("host", "evil.example"), good]), 400);
    assert_eq!(code("/exec", &[own, good, good]), 400);
    let mine = ("origin", "https://mine.example");
    assert_eq!(code("/exec", &[own, good, mine, mine]), 400);
    assert_eq!(code("/ping", &[own, own]), 400);
    assert_eq!(code("http://evil.example/exec", &[own, good]), 403);
    assert_eq!(code("http://localhost:8080/exec", &[own, good]), 200);
    assert_eq!(
        code("/exec", &[own, ("authorization", "Bearer secreT")]),
        401
    );
    assert_eq!(code("/exec?token=secret", &[own]), 401);
    assert_eq!(
        code("/executions/1/events?after=2&token=secret", &[own]),
        200
    );
    let terminal = |upgrade| code("/terminal?token=s%65cret", &[own, ("upgrade", upgrade)]);
    assert_eq!((terminal("WebSocket"), terminal("h2c")), (200, 401));
}

#[tokio::test]
async fn a_page_that_may_is_answered_so_that_its_browser_lets_it_see() {
    use axum::{Router, middleware, routing::post};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    let routes = Router::new()
        .route("/exec", post(|| async { "done" }))
        .layer(middleware::from_fn_with_state(guard(access()), check));
    let service = TowerToHyperService::new(routes);
    let ask = async |method: &str, origin: &str, token: &str| {
        let request = Request::builder()
            .method(method)
            .uri("/exec")
            .header("host", "localhost")
            .header("origin", origin)
            .header("authorization", token)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
            .body(Body::empty());
        service.call(request.unwrap()).await.unwrap()
    };
    let mine = "https://mine.example";
    let before = ask("OPTIONS", mine, "").await;
    assert_eq!(before.status(), 204);
    assert_eq!(before.headers()["access-control-allow-methods"], "POST");
    assert_eq!(
        before.headers()["access-control-allow-headers"],
        "authorization"
    );
    assert_eq!(before.headers()["access-control-allow-origin"], mine);
    let refused = ask("POST", mine, "Bearer wrong").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["access-control-allow-origin"], mine);
    let other = ask("OPTIONS", "https://other.example", "").await;
    assert_eq!(other.status(), 403);
    assert!(!other.headers().contains_key("access-control-allow-origin"));
}
