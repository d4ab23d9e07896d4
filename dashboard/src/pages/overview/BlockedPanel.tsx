import { IconHourglass } from "@tabler/icons-react";
import { useStatus } from "@/api/queries";
import type { Status } from "@/api/types";
import { Panel } from "@/components/Panel";
import { Countdown } from "@/components/Time";
import classes from "./BlockedPanel.module.css";

/** Why nothing starts although something waits. Full slots are no problem and shown elsewhere. */
export function BlockedPanel({ status }: { status: Status }) {
  const { refetch } = useStatus();
  const waiting = (status.items.queued ?? 0) > 0;
  const reasons = status.blockedReasons.filter(
    ({ code }) => code !== "no_slot" && code !== "paused",
  );
  if (!waiting || reasons.length === 0) return null;
  return (
    <Panel title="Why nothing more starts" flush>
      <ul>
        {reasons.map((reason) => (
          <li key={`${reason.code}-${reason.message}`} className={classes.reason}>
            <IconHourglass size={18} className={classes.icon} aria-hidden />
            <span className={classes.text}>{reason.message}</span>
            {reason.retryAt && (
              <span className={classes.retry}>
                <Countdown to={reason.retryAt} onEnd={() => void refetch()} />
              </span>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
