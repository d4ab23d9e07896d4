import { Button } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useAttempts } from "@/api/queries";
import type { TimelineAttempt, WorkItem } from "@/api/types";
import { ExternalLink } from "@/components/ItemLink";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { WorkerStatusBadge } from "@/components/StatusBadge";
import { Elapsed, RelativeTime } from "@/components/Time";
import { formatCompact, formatUsd, plural, sentence, totalTokens } from "@/lib/format";
import { FAILURE_CAUSE } from "@/lib/statuses";
import { webUrl } from "@/lib/title";
import classes from "./AttemptsTab.module.css";
import { Checks } from "./Checks";
import { Iterations } from "./Iterations";
import { StageBar } from "./StageBar";

export default function AttemptsTab({ item }: { item: WorkItem }) {
  const query = useAttempts(item.id);
  const attempts = query.data?.pages.flatMap((page) => page.items);
  return (
    <Loaded
      query={{ ...query, data: attempts }}
      what="The attempts"
      skeleton={<SkeletonRows rows={2} height={140} />}
    >
      {(all) =>
        all.length === 0 ? (
          <EmptyState title="No attempt yet" />
        ) : (
          <>
            <ol>
              {all.map((attempt) => (
                <Attempt key={attempt.leaseEpoch} attempt={attempt} />
              ))}
            </ol>
            <footer className={classes.foot}>
              {query.hasNextPage && (
                <Button
                  variant="default"
                  size="xs"
                  loading={query.isFetchingNextPage}
                  onClick={() => void query.fetchNextPage()}
                >
                  Earlier attempts
                </Button>
              )}
              <Button
                component="a"
                href={`/api/work/${item.id}/export`}
                download
                variant="default"
                size="xs"
                leftSection={<IconDownload size={14} aria-hidden />}
              >
                Export everything about this item
              </Button>
            </footer>
          </>
        )
      }
    </Loaded>
  );
}

function Attempt({ attempt }: { attempt: TimelineAttempt }) {
  const reason =
    attempt.error ?? (attempt.failureCause ? FAILURE_CAUSE[attempt.failureCause] : undefined);
  return (
    <li className={classes.attempt}>
      <div className={classes.head}>
        <h3 className={classes.title}>Attempt {attempt.leaseEpoch}</h3>
        <WorkerStatusBadge status={attempt.status} />
        <span className={classes.meta}>
          <RelativeTime at={attempt.startedAt} />, took{" "}
          <Elapsed since={attempt.startedAt} until={attempt.endedAt} />
        </span>
        <Link
          to="."
          search={{ tab: "transcript", attempt: attempt.leaseEpoch }}
          className={classes.transcript}
          data-row
        >
          {plural(attempt.transcriptEntries, "transcript entry", "transcript entries")}
        </Link>
      </div>
      {reason && <p className={classes.reason}>{sentence(reason)}</p>}
      <StageBar attempt={attempt} />
      <Facts attempt={attempt} />
      {attempt.iterations.length > 0 && <Iterations iterations={attempt.iterations} />}
      {attempt.tests?.checks && <Checks checks={attempt.tests.checks} />}
      {attempt.commits.length > 0 && <Commits commits={attempt.commits} />}
      {attempt.isIncomplete && (
        <p className={classes.meta}>Older stages, iterations or commits are no longer stored.</p>
      )}
    </li>
  );
}

function Facts({ attempt }: { attempt: TimelineAttempt }) {
  const { cost, stats, tests, pullRequest } = attempt;
  const url = webUrl(pullRequest?.url);
  return (
    <p className={classes.facts}>
      <span>
        {formatUsd(cost.totalUsd)}
        {cost.reviewingUsd > 0 &&
          ` (work ${formatUsd(cost.workingUsd)}, reviews ${formatUsd(cost.reviewingUsd)})`}
      </span>
      <span>{formatCompact(totalTokens(stats.tokens))} tokens</span>
      <span>
        {plural(stats.tools ?? 0, "tool call")}, {plural(stats.writes ?? 0, "edit")},{" "}
        {plural(stats.commands ?? 0, "command")}
      </span>
      {tests && <span>{tests.passed ? "Checks passed" : "Checks failed"}</span>}
      {pullRequest && url && (
        <ExternalLink href={url}>Pull request #{pullRequest.number}</ExternalLink>
      )}
    </p>
  );
}

function Commits({ commits }: { commits: TimelineAttempt["commits"] }) {
  return (
    <section>
      <h4 className={classes.heading}>Commits</h4>
      <ul>
        {commits.map((commit) => (
          <li key={commit.hash} className={classes.commit}>
            <code>{commit.hash.slice(0, 8)}</code>
            <span className={classes.message}>{commit.message}</span>
            <span className={classes.meta}>
              <RelativeTime at={commit.occurredAt} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
