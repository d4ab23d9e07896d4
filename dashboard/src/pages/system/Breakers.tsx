import { Button } from "@mantine/core";
import { IconAlertTriangle, IconHourglass, IconUser } from "@tabler/icons-react";
import { useResumeQueue } from "@/api/actions";
import type { Breaker } from "@/api/types";
import { ToneBadge } from "@/components/StatusBadge";
import { Countdown, RelativeTime } from "@/components/Time";
import { breakerTitle } from "@/lib/attention";
import { plural } from "@/lib/format";
import classes from "./rows.module.css";

export function Breakers({ breakers, paused }: { breakers: Breaker[]; paused: boolean }) {
  const probe = useResumeQueue();
  return (
    <ul>
      {breakers.map((breaker) => (
        <li key={`${breaker.subject}-${breaker.name ?? ""}`} className={classes.row}>
          <div className={classes.main}>
            <p className={classes.name}>{breakerTitle(breaker)}</p>
            <p className={classes.text}>{breaker.explanation}</p>
            <p className={classes.note}>
              Open <RelativeTime at={breaker.since} />, after {plural(breaker.failures, "failure")}{" "}
              in a row.{" "}
              {!breaker.halfOpen && (
                <>
                  {breaker.hasFixedExpiry ? "Closes in " : "Probed in "}
                  <Countdown to={breaker.retryAt} />.
                </>
              )}
            </p>
          </div>
          <BreakerState breaker={breaker} />
        </li>
      ))}
      {!paused && (
        <li className={classes.row}>
          <span className={classes.note}>
            A probe is one worker that starts in spite of the breaker.
          </span>
          <Button
            variant="default"
            size="xs"
            loading={probe.isPending}
            onClick={() => probe.mutate({ body: {} })}
          >
            Probe all now
          </Button>
        </li>
      )}
    </ul>
  );
}

function BreakerState({ breaker }: { breaker: Breaker }) {
  if (breaker.operatorActionRequired)
    return <ToneBadge tone="danger" label="Needs you" icon={IconUser} />;
  if (breaker.halfOpen) return <ToneBadge tone="running" label="Probing" icon={IconHourglass} />;
  return <ToneBadge tone="attention" label="Open" icon={IconAlertTriangle} />;
}
