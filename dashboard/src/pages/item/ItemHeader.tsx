import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconBan, IconGitBranch, IconRefresh } from "@tabler/icons-react";
import { useExplanation } from "@/api/queries";
import type { WorkItem } from "@/api/types";
import { ActivityLine } from "@/components/ActivityLine";
import { CancelDialog } from "@/components/actions/CancelDialog";
import { PriorityControl } from "@/components/actions/PriorityControl";
import { RequeueDialog } from "@/components/actions/RequeueDialog";
import { ItemOrigin, PullRequestLink } from "@/components/ItemLink";
import { PageHeader } from "@/components/PageHeader";
import { ItemStatusBadge } from "@/components/StatusBadge";
import { Countdown, Elapsed } from "@/components/Time";
import { sentence } from "@/lib/format";
import { FAILURE_CAUSE, isEndedItem } from "@/lib/statuses";
import { itemTitle } from "@/lib/title";
import classes from "./ItemHeader.module.css";

export function ItemHeader({ item }: { item: WorkItem }) {
  return (
    <>
      <PageHeader
        title={itemTitle(item)}
        description={
          <div className={classes.facts}>
            <ItemStatusBadge status={item.status} />
            <ItemOrigin item={item} />
            <span className={classes.branch}>
              <IconGitBranch size={15} aria-hidden />
              <code>{item.branch}</code>
            </span>
            <PriorityControl item={item} />
            <PullRequestLink item={item} />
          </div>
        }
        actions={<Actions item={item} />}
      />
      <Situation item={item} />
    </>
  );
}

function Actions({ item }: { item: WorkItem }) {
  const [cancelling, cancel] = useDisclosure(false);
  const [requeueing, requeue] = useDisclosure(false);
  return (
    <>
      {isEndedItem(item.status) ? (
        <Button
          variant="default"
          leftSection={<IconRefresh size={16} aria-hidden />}
          onClick={requeue.open}
        >
          Run again
        </Button>
      ) : (
        <Button
          variant="default"
          leftSection={<IconBan size={16} aria-hidden />}
          onClick={cancel.open}
        >
          Cancel
        </Button>
      )}
      {cancelling && <CancelDialog item={item} opened onClose={cancel.close} />}
      {requeueing && <RequeueDialog item={item} opened onClose={requeue.close} />}
    </>
  );
}

/** One line: what happens now, why it waits, or why it ended. */
function Situation({ item }: { item: WorkItem }) {
  switch (item.status) {
    case "generating":
    case "queued":
      return <Waiting item={item} />;
    case "assigned":
    case "in_progress":
      return <Running item={item} />;
    case "failed":
    case "cancelled":
      return (
        <p
          className={classes.situation}
          data-tone={item.status === "failed" ? "danger" : "neutral"}
        >
          <strong>{item.failureCause ? FAILURE_CAUSE[item.failureCause] : "Cancelled"}.</strong>{" "}
          {item.error && sentence(item.error)}
        </p>
      );
    default:
      return null;
  }
}

function Waiting({ item }: { item: WorkItem }) {
  const { data } = useExplanation(item.id);
  return (
    <p className={classes.situation} data-tone="neutral">
      {data?.explanation ?? "Waiting."}
      {data?.retryAt && (
        <>
          {" "}
          <Countdown to={data.retryAt} />
        </>
      )}
      {item.error && (
        <span className={classes.previous}>The latest attempt failed: {sentence(item.error)}</span>
      )}
    </p>
  );
}

function Running({ item }: { item: WorkItem }) {
  if (!item.workerId) return null;
  return (
    <div className={classes.situation} data-tone="running">
      <ActivityLine worker={{ id: item.workerId, stage: item.stage, status: "running" }} />
      <span className={classes.counters}>
        {item.iteration > 0 && <>Iteration {item.iteration}, </>}
        {item.startedAt && <Elapsed since={item.startedAt} />}
      </span>
    </div>
  );
}
