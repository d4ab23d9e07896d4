import { Button } from "@mantine/core";
import { IconPlugConnectedX } from "@tabler/icons-react";
import { Countdown } from "@/components/Time";
import { useNow } from "@/lib/clock";
import { formatClock } from "@/lib/time";
import type { LiveState } from "@/live/connection";
import { useLiveState, useRetryNow } from "@/live/LiveProvider";
import classes from "./StaleBanner.module.css";

/** Short interruptions, such as a restart behind a load balancer, are not worth a message. */
const QUIET_MS = 2_500;

export function StaleBanner() {
  const state = useLiveState();
  return <div role="status">{state.kind === "lost" && <Message state={state} />}</div>;
}

function Message({ state }: { state: Extract<LiveState, { kind: "lost" }> }) {
  const now = useNow();
  const retryNow = useRetryNow();
  const since = new Date(state.since).toISOString();
  if (now - state.since < QUIET_MS) return null;
  return (
    <div className={classes.banner}>
      <IconPlugConnectedX size={18} aria-hidden className={classes.icon} />
      <p className={classes.text}>
        Live updates are interrupted. This page shows the state of {formatClock(since)}.{" "}
        {state.retryAt === null ? (
          "Connecting…"
        ) : (
          <span aria-hidden>
            Next attempt in <Countdown to={new Date(state.retryAt).toISOString()} />.
          </span>
        )}
      </p>
      <Button
        size="compact-xs"
        variant="default"
        onClick={retryNow}
        disabled={state.retryAt === null}
      >
        Try now
      </Button>
    </div>
  );
}
