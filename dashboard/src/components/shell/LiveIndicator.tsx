import type { LiveState } from "@/live/connection";
import { useLiveState } from "@/live/LiveProvider";
import classes from "./LiveIndicator.module.css";

const TEXT: Record<LiveState["kind"], { label: string; explanation: string }> = {
  connecting: { label: "Connecting", explanation: "Live updates start in a moment" },
  live: { label: "Live", explanation: "Changes appear by themselves" },
  lost: { label: "Not live", explanation: "Live updates are interrupted" },
  paused: { label: "Paused", explanation: "Live updates pause while the tab is hidden" },
};

export function LiveIndicator() {
  const { kind } = useLiveState();
  const { label, explanation } = TEXT[kind];
  return (
    <span
      className={classes.indicator}
      data-state={kind}
      data-testid="live-state"
      title={explanation}
    >
      <span className={classes.dot} aria-hidden />
      {label}
    </span>
  );
}
