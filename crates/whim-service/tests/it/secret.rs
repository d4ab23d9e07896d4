use url::Url;
use whim_service::secret::redact_url;

#[test]
fn urls_lose_passwords_tokens_and_secret_parameters_and_nothing_else() {
    let cases = [
        (
            "postgres://whim:hunter2@db:5432/whim",
            "postgres://whim:***@db:5432/whim",
        ),
        ("postgres://whim@db/whim", "postgres://whim@db/whim"),
        ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
        (
            "https://ghp_hunter2@github.com/o/r.git",
            "https://***@github.com/o/r.git",
        ),
        (
            "https://user:hunter2@github.com/o/r.git",
            "https://***:***@github.com/o/r.git",
        ),
        (
            "postgres://db/whim?sslmode=require",
            "postgres://db/whim?sslmode=require",
        ),
        (
            "https://host/?access_token=hunter2&page=2",
            "https://host/?access_token=***&page=2",
        ),
    ];
    for (url, expected) in cases {
        assert_eq!(redact_url(&Url::parse(url).unwrap()), expected);
    }
}
