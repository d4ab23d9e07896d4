import {
  IconAlertTriangle,
  IconCheckbox,
  IconEye,
  IconFlask,
  IconGitCommit,
  IconInfoCircle,
  IconPencil,
  IconTerminal2,
  type TablerIcon,
} from "@tabler/icons-react";
import type { Worker } from "@/api/types";
import { STAGE, WORKER_STATUS } from "@/lib/statuses";
import type { Activity } from "@/live/activity";
import { useActivity } from "@/live/LiveProvider";
import classes from "./ActivityLine.module.css";

const ICON: Record<Activity["kind"], TablerIcon> = {
  read: IconEye,
  write: IconPencil,
  command: IconTerminal2,
  tests: IconFlask,
  commit: IconGitCommit,
  task: IconCheckbox,
  warning: IconAlertTriangle,
  note: IconInfoCircle,
};

/** What a live worker does at this moment: its latest tool call, else its stage. */
export function ActivityLine({ worker }: { worker: Pick<Worker, "id" | "stage" | "status"> }) {
  const activity = useActivity(worker.id);
  const stage = worker.stage ? STAGE[worker.stage] : WORKER_STATUS[worker.status].label;
  if (!activity) return <span className={classes.line}>{stage}</span>;
  const Icon = ICON[activity.kind];
  return (
    <span className={classes.line} title={stage}>
      <Icon size={15} aria-hidden className={classes.icon} />
      <span className={classes.text}>{activity.text}</span>
    </span>
  );
}
