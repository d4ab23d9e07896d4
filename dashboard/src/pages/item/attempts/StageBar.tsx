import type { TimelineAttempt } from "@/api/types";
import { useNow } from "@/lib/clock";
import { formatShortDuration } from "@/lib/time";
import classes from "./StageBar.module.css";
import { stageShares } from "./stages";

const LABEL: Record<TimelineAttempt["stages"][number]["stage"], string> = {
  preparing: "Prepare",
  working: "Work",
  testing: "Test",
  reviewing: "Review",
  delivering: "Deliver",
};

/** How long each stage took, as widths and as text. */
export function StageBar({ attempt }: { attempt: TimelineAttempt }) {
  const shares = stageShares(attempt, useNow("coarse"));
  if (shares.length === 0) return null;
  return (
    <div>
      <div className={classes.bar} aria-hidden>
        {shares.map(({ key, stage, share }) => (
          <span key={key} data-stage={stage} style={{ flexGrow: Math.max(share, 1) }} />
        ))}
      </div>
      <ol className={classes.legend}>
        {shares.map(({ key, stage, seconds }) => (
          <li key={key} data-stage={stage}>
            {LABEL[stage]} <span className="tabular">{formatShortDuration(seconds)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
