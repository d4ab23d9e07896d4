import { IconPlayerPause } from "@tabler/icons-react";
import type { Status } from "@/api/types";
import { RelativeTime } from "@/components/Time";
import classes from "./PausedNotice.module.css";

export function PausedNotice({ paused }: { paused: Status["paused"] }) {
  if (!paused) return null;
  return (
    <p className={classes.notice} role="status">
      <IconPlayerPause size={18} aria-hidden className={classes.icon} />
      <span>
        <strong>The queue is paused</strong>
        {paused.pausedBy && ` by ${paused.pausedBy}`}, <RelativeTime at={paused.since} />
        {paused.reason && `: ${paused.reason}`}
      </span>
    </p>
  );
}
