import {
  IconAlertTriangle,
  IconBan,
  IconCircleCheck,
  IconCircleDashed,
  IconCircleX,
  IconClock,
  IconLoader,
  IconPencil,
  type TablerIcon,
} from "@tabler/icons-react";
import type { Priority, Verdict, WorkerStatus, WorkItemStatus } from "@/api/types";
import { ITEM_STATUS, PRIORITY, type Tone, VERDICT, WORKER_STATUS } from "@/lib/statuses";
import classes from "./StatusBadge.module.css";

const ITEM_ICON: Record<WorkItemStatus, TablerIcon> = {
  generating: IconPencil,
  queued: IconClock,
  assigned: IconLoader,
  in_progress: IconLoader,
  completed: IconCircleCheck,
  failed: IconCircleX,
  cancelled: IconBan,
};

const WORKER_ICON: Record<WorkerStatus, TablerIcon> = {
  starting: IconLoader,
  running: IconLoader,
  completed: IconCircleCheck,
  failed: IconCircleX,
  stuck: IconAlertTriangle,
  killed: IconBan,
};

const VERDICT_ICON: Record<Verdict, TablerIcon> = {
  approved: IconCircleCheck,
  changes_requested: IconAlertTriangle,
  commented: IconCircleDashed,
};

export function ItemStatusBadge({ status }: { status: WorkItemStatus }) {
  const { label, tone } = ITEM_STATUS[status];
  return <ToneBadge tone={tone} label={label} icon={ITEM_ICON[status]} />;
}

export function WorkerStatusBadge({ status }: { status: WorkerStatus }) {
  const { label, tone } = WORKER_STATUS[status];
  return <ToneBadge tone={tone} label={label} icon={WORKER_ICON[status]} />;
}

export function VerdictBadge({ verdict }: { verdict: Verdict }) {
  const { label, tone } = VERDICT[verdict];
  return <ToneBadge tone={tone} label={label} icon={VERDICT_ICON[verdict]} />;
}

interface ToneBadgeProps {
  tone: Tone;
  label: string;
  icon?: TablerIcon;
}

/** A state as colour, icon and text. */
export function ToneBadge({ tone, label, icon: Icon }: ToneBadgeProps) {
  return (
    <span className={classes.badge} data-tone={tone}>
      {Icon && <Icon size={14} stroke={2} aria-hidden className={classes.icon} />}
      {label}
    </span>
  );
}

const LEVEL: Record<Priority, number> = { low: 1, medium: 2, high: 3, critical: 4 };

/** Bars whose number shows the level, so that it does not depend on colour. */
export function PriorityMark({ priority }: { priority: Priority }) {
  const { label, tone } = PRIORITY[priority];
  return (
    <span className={classes.priority} data-tone={tone}>
      <span className={classes.bars} aria-hidden>
        {[1, 2, 3, 4].map((level) => (
          <i key={level} data-on={level <= LEVEL[priority]} />
        ))}
      </span>
      {label}
    </span>
  );
}
