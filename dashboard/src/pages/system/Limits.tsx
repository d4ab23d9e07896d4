import type { ReactNode } from "react";
import { useStatus } from "@/api/queries";
import type { Status } from "@/api/types";
import { Countdown } from "@/components/Time";
import { formatInteger } from "@/lib/format";
import { formatDuration } from "@/lib/time";
import classes from "./rows.module.css";

export function Limits({ status }: { status: Status }) {
  const { refetch } = useStatus();
  const { workers, budget, cooldown } = status;
  return (
    <ul>
      <Limit
        name="Worker slots"
        setting="MAX_WORKERS"
        value={`${workers.active} / ${workers.max}`}
      />
      <Limit
        name="Iterations of the UTC day"
        setting="DAILY_BUDGET"
        value={`${formatInteger(budget.used)} / ${formatInteger(budget.limit)}`}
      >
        {formatInteger(budget.reserved)} reserved for running workers,{" "}
        {formatInteger(budget.remaining)} left. Resets in{" "}
        <Countdown to={budget.resetsAt} onEnd={() => void refetch()} />.
      </Limit>
      <Limit
        name="Time between two starts"
        setting="COOLDOWN_SECONDS"
        value={cooldown.seconds < 60 ? `${cooldown.seconds}s` : formatDuration(cooldown.seconds)}
      >
        {cooldown.endsAt ? (
          <>
            Ends in <Countdown to={cooldown.endsAt} onEnd={() => void refetch()} />.
          </>
        ) : (
          "Not running."
        )}
      </Limit>
    </ul>
  );
}

interface LimitProps {
  name: string;
  setting: string;
  value: string;
  children?: ReactNode;
}

function Limit({ name, setting, value, children }: LimitProps) {
  return (
    <li className={classes.row}>
      <div className={classes.main}>
        <p className={classes.name}>{name}</p>
        {children && <p className={classes.text}>{children}</p>}
        <p className={classes.note}>
          <code>{setting}</code>
        </p>
      </div>
      <span className={classes.value}>{value}</span>
    </li>
  );
}
