//! The dashboard's server before the real orchestrator.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use whim_client::{Client, Timing};
use whim_core::WorkItemStatus;
use whim_core::protocol::events::SubscriberEvent;
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::wait::wait_until;

use crate::world::{TIMEOUT, one_repository};

const TITLE: &str = "Improve the documentation";
const BODY: &str = "- Describe how to install it\n- Describe how to take part";

/// A client as a browser: through a dashboard, without the API's key.
async fn browser(system: &mut System) -> Client {
    let url = system.start_dashboard(None).await.unwrap();
    Client::new(url, None, Timing::STANDARD).unwrap()
}

#[tokio::test]
async fn a_browser_follows_the_events_across_a_restart_of_the_orchestrator() {
    let mut system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let browser = browser(&mut system).await;
    let mut events = Box::pin(browser.events(Some(0)));
    let first = tokio::time::timeout(TIMEOUT, async {
        let issue = system
            .github
            .create_issue(sample::REPOSITORY, TITLE, BODY, &["whim"]);
        (issue, events.next().await.unwrap().unwrap().id)
    });
    let (issue, first) = first.await.expect("no event arrives");

    system.take_orchestrator().unwrap().kill().await.unwrap();
    let away = browser.status().await;
    assert!(away.is_err(), "{away:?}");
    system.start_orchestrator().await.unwrap();

    let mut seen = BTreeSet::from([first]);
    tokio::time::timeout(TIMEOUT, async {
        loop {
            let received = events.next().await.unwrap().unwrap();
            let is_first_time =
                seen.insert(received.id) || matches!(received.event, SubscriberEvent::Lagged(_));
            assert!(is_first_time, "{} arrives twice", received.id);
            if let SubscriberEvent::Item(item) = received.event
                && item.status == WorkItemStatus::Completed
            {
                break;
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{}", system.logs()));
    let item = system.item_of(sample::REPOSITORY, issue).await.unwrap().unwrap();
    let shown = wait_until("the dashboard to reach the orchestrator", TIMEOUT, async || {
        browser.get_work(item.id).await.map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    assert_eq!(shown.pr_url, item.pr_url);
    system.stop().await.unwrap();
}
