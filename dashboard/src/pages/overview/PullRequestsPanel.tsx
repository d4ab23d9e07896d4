import { IconGitPullRequest } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { $api } from "@/api/client";
import type { WorkItem } from "@/api/types";
import { ItemLink, ItemOrigin, PullRequestLink } from "@/components/ItemLink";
import { Panel } from "@/components/Panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { RelativeTime } from "@/components/Time";
import { webUrl } from "@/lib/title";
import classes from "./PullRequestsPanel.module.css";

/** Items considered; the list is by time of submission, and shown by time of completion. */
const CONSIDERED = 50;
const SHOWN = 6;

export function PullRequestsPanel() {
  const completed = $api.useQuery("get", "/api/work", {
    params: { query: { status: "completed", limit: CONSIDERED } },
  });
  return (
    <Panel
      title="Latest pull requests"
      flush
      actions={
        <Link to="/queue" search={{ view: "completed" }}>
          All completed
        </Link>
      }
    >
      <Loaded
        query={completed}
        what="The pull requests"
        skeleton={<SkeletonRows rows={3} height={56} />}
      >
        {({ items }) => {
          const latest = latestPullRequests(items);
          if (latest.length === 0) return <EmptyState title="No pull request yet" />;
          return (
            <ul>
              {latest.map((item) => (
                <li key={item.id} className={classes.entry}>
                  <IconGitPullRequest size={17} className={classes.icon} aria-hidden />
                  <div className={classes.content}>
                    <ItemLink item={item} />
                    <p className={classes.details}>
                      <PullRequestLink item={item} />
                      <ItemOrigin item={item} />
                      {item.endedAt && <RelativeTime at={item.endedAt} />}
                    </p>
                  </div>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Panel>
  );
}

function latestPullRequests(items: WorkItem[]): WorkItem[] {
  return items
    .filter((item) => webUrl(item.prUrl))
    .toSorted((a, b) => Date.parse(b.endedAt ?? b.updatedAt) - Date.parse(a.endedAt ?? a.updatedAt))
    .slice(0, SHOWN);
}
