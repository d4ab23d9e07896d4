//! Conditional requests.

use reqwest::Method;
use reqwest::header::IF_NONE_MATCH;

use super::{Caller, Reply, SHOP, github_with_shop};

async fn get_if_changed(caller: &Caller, path: &str, tag: &str) -> Reply {
    Reply::of(caller.request(Method::GET, path).header(IF_NONE_MATCH, tag)).await
}

#[tokio::test]
async fn an_unchanged_resource_is_answered_with_304_and_costs_no_request() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &["whim"]);
    let caller = Caller::of(&github);
    let path = "/repos/acme/shop/issues?labels=whim";
    let first = caller.get(path).await;
    let tag = first.header("etag").unwrap();
    let left = first.header("x-ratelimit-remaining");

    let again = get_if_changed(&caller, path, tag).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    assert_eq!(
        (again.header("etag"), again.header("x-ratelimit-remaining")),
        (Some(tag), left)
    );

    github.add_label(SHOP, number, "ai-processing");
    let changed = get_if_changed(&caller, path, tag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag));
    assert_ne!(changed.header("x-ratelimit-remaining"), left);
}

#[tokio::test]
async fn a_strong_tag_and_a_list_of_tags_match_too() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);
    let first = caller.get("/repos/acme/shop").await;
    let tag = first.header("etag").unwrap();
    let strong = tag.trim_start_matches("W/");

    assert_eq!(
        get_if_changed(&caller, "/repos/acme/shop", strong).await.status,
        304
    );
    assert_eq!(
        get_if_changed(&caller, "/repos/acme/shop", &format!("\"old\", {tag}"))
            .await
            .status,
        304
    );
    assert_eq!(
        get_if_changed(&caller, "/repos/acme/shop", "\"old\"")
            .await
            .status,
        200
    );
}
