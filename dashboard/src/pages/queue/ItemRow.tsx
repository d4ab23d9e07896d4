import { ActionIcon } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconBan, IconRefresh } from "@tabler/icons-react";
import { useExplanation } from "@/api/queries";
import type { WorkItem } from "@/api/types";
import { CancelDialog } from "@/components/actions/CancelDialog";
import { PriorityControl } from "@/components/actions/PriorityControl";
import { RequeueDialog } from "@/components/actions/RequeueDialog";
import { ItemLink, ItemOrigin, PullRequestLink } from "@/components/ItemLink";
import { ItemStatusBadge } from "@/components/StatusBadge";
import { TaskProgress } from "@/components/TaskProgress";
import { Countdown, RelativeTime } from "@/components/Time";
import { FAILURE_CAUSE, isEndedItem, STAGE } from "@/lib/statuses";
import { itemTitle } from "@/lib/title";
import classes from "./ItemRow.module.css";

export function ItemRow({ item }: { item: WorkItem }) {
  return (
    <div className={classes.row}>
      <span className={classes.priority}>
        <PriorityControl item={item} />
      </span>
      <div className={classes.main}>
        <ItemLink item={item} />
        <p className={classes.meta}>
          <ItemOrigin item={item} />
          {item.requestedBy && <span>by {item.requestedBy}</span>}
          {item.run > 1 && <span>run {item.run}</span>}
        </p>
      </div>
      <div className={classes.state}>
        <p className={classes.badges}>
          <ItemStatusBadge status={item.status} />
          <TaskProgress done={item.tasksDone} total={item.tasksTotal} />
        </p>
        <p className={classes.why}>
          <Why item={item} />
        </p>
      </div>
      <span className={classes.age}>
        <RelativeTime at={item.endedAt ?? item.createdAt} />
      </span>
      <RowAction item={item} />
    </div>
  );
}

/** Why the item waits, what it does, or how it ended. */
function Why({ item }: { item: WorkItem }) {
  switch (item.status) {
    case "queued":
    case "generating":
      return <WhyWaiting item={item} />;
    case "in_progress":
      return item.stage ? STAGE[item.stage] : null;
    case "completed":
      return <PullRequestLink item={item} />;
    case "failed":
    case "cancelled":
      return item.error ?? (item.failureCause ? FAILURE_CAUSE[item.failureCause] : null);
    default:
      return null;
  }
}

function WhyWaiting({ item }: { item: WorkItem }) {
  const { data } = useExplanation(item.id);
  if (!data) return null;
  // The page says who paused the queue and why.
  if (data.reasonCode === "paused") return "The queue is paused.";
  return (
    <>
      {data.explanation}
      {data.retryAt && (
        <>
          {" "}
          (<Countdown to={data.retryAt} />)
        </>
      )}
    </>
  );
}

function RowAction({ item }: { item: WorkItem }) {
  const [opened, dialog] = useDisclosure(false);
  const ended = isEndedItem(item.status);
  const label = ended ? "Run again" : "Cancel";
  return (
    <>
      <ActionIcon
        variant="subtle"
        color="gray"
        className={classes.action}
        title={label}
        aria-label={`${label}: ${itemTitle(item)}`}
        onClick={dialog.open}
      >
        {ended ? <IconRefresh size={17} /> : <IconBan size={17} />}
      </ActionIcon>
      {opened && ended && <RequeueDialog item={item} opened onClose={dialog.close} />}
      {opened && !ended && <CancelDialog item={item} opened onClose={dialog.close} />}
    </>
  );
}
