import { Button } from "@mantine/core";
import {
  IconAlertTriangle,
  IconCircleX,
  IconPlayerPause,
  IconPlugX,
  type TablerIcon,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useRequeueItem, useResumeQueue } from "@/api/actions";
import { useFailedItems } from "@/api/attention";
import { useStatus } from "@/api/queries";
import type { Breaker, WorkItem } from "@/api/types";
import { ItemLink, ItemOrigin, PullRequestLink } from "@/components/ItemLink";
import { Panel } from "@/components/Panel";
import { Countdown, RelativeTime } from "@/components/Time";
import { type Attention, FAILED_DAYS } from "@/lib/attention";
import classes from "./AttentionPanel.module.css";

const ICON: Record<Attention["kind"], TablerIcon> = {
  failed: IconCircleX,
  breaker: IconPlugX,
  paused: IconPlayerPause,
  warning: IconAlertTriangle,
};

/** More failed items than this are on the queue's page. */
const SHOWN = 5;

export function AttentionPanel({ attention }: { attention: Attention[] }) {
  return (
    <Panel
      title="Needs you"
      note={attention.length}
      flush
      actions={
        (attention.length > SHOWN || attention.some((entry) => entry.kind === "failed")) && (
          <Link to="/queue" search={{ view: "failed" }}>
            All failed items
          </Link>
        )
      }
    >
      <ul>
        {attention.slice(0, SHOWN).map((entry) => (
          <Entry key={entry.id} entry={entry} />
        ))}
      </ul>
      {attention.some(({ kind }) => kind === "failed") && (
        <p className={classes.foot}>
          Failed items stay here for {FAILED_DAYS} days, or until they run again.
        </p>
      )}
    </Panel>
  );
}

function Entry({ entry }: { entry: Attention }) {
  const Icon = ICON[entry.kind];
  return (
    <li className={classes.entry}>
      <Icon size={18} className={classes.icon} data-kind={entry.kind} aria-hidden />
      <div className={classes.content}>
        <div className={classes.title}>
          {entry.kind === "failed" ? <ItemLink item={entry.item} /> : entry.title}
        </div>
        <p className={classes.text}>{entry.text}</p>
        <Details entry={entry} />
      </div>
      <Action entry={entry} />
    </li>
  );
}

function Details({ entry }: { entry: Attention }): ReactNode {
  if (entry.kind === "failed") {
    const { item } = entry;
    return (
      <p className={classes.details}>
        <ItemOrigin item={item} />
        <RelativeTime at={item.endedAt ?? item.updatedAt} />
        <PullRequestLink item={item} />
        {entry.count > 1 && (
          <Link to="/queue" search={{ view: "failed", repo: item.repo }}>
            <OthersCount count={entry.count - 1} />
          </Link>
        )}
      </p>
    );
  }
  if (entry.kind !== "breaker") return null;
  return (
    <p className={classes.details}>
      <span>
        since <RelativeTime at={entry.breaker.since} />
      </span>
      <BreakerRetry breaker={entry.breaker} />
    </p>
  );
}

function OthersCount({ count }: { count: number }) {
  const { data } = useFailedItems();
  // Only the newest failed items are read.
  return <>{data?.nextCursor ? `and ${count} or more` : `and ${count} more`} for the same reason</>;
}

function BreakerRetry({ breaker }: { breaker: Breaker }) {
  if (breaker.halfOpen) return <span>a worker probes it now</span>;
  return (
    <span>
      {breaker.hasFixedExpiry ? "ends in " : "probed in "}
      <Countdown to={breaker.retryAt} />
    </span>
  );
}

function Action({ entry }: { entry: Attention }) {
  switch (entry.kind) {
    case "failed":
      return <RequeueButton item={entry.item} />;
    case "breaker":
      return <ProbeButton />;
    case "paused":
      return <ResumeButton label="Resume" />;
    default:
      return null;
  }
}

function RequeueButton({ item }: { item: WorkItem }) {
  const requeue = useRequeueItem();
  return (
    <Button
      variant="default"
      size="xs"
      loading={requeue.isPending}
      onClick={() =>
        requeue.mutate({ params: { path: { id: item.id } }, body: { afterRun: item.run } })
      }
    >
      Run again
    </Button>
  );
}

/** Resuming probes open breakers at once. It would also end a pause, so it is not offered during one. */
function ProbeButton() {
  const { data: status } = useStatus();
  return status?.paused ? null : <ResumeButton label="Probe now" />;
}

function ResumeButton({ label }: { label: string }) {
  const resume = useResumeQueue();
  return (
    <Button
      variant="default"
      size="xs"
      loading={resume.isPending}
      onClick={() => resume.mutate({ body: {} })}
    >
      {label}
    </Button>
  );
}
