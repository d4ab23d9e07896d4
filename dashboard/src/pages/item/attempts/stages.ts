import type { TimelineAttempt } from "@/api/types";
import { secondsBetween } from "@/lib/time";

export interface StageShare {
  key: string;
  stage: TimelineAttempt["stages"][number]["stage"];
  seconds: number;
  /** Percent of the attempt. */
  share: number;
}

/** How the time of an attempt divides; a stage that runs lasts until `now`. */
export function stageShares(
  attempt: Pick<TimelineAttempt, "stages" | "endedAt">,
  now: number,
): StageShare[] {
  const stages = attempt.stages.map(({ stage, startedAt, endedAt }) => {
    const end = endedAt ?? attempt.endedAt ?? now;
    return {
      key: `${stage}-${startedAt}`,
      stage,
      seconds: Math.max(0, secondsBetween(startedAt, end)),
    };
  });
  const total = stages.reduce((sum, { seconds }) => sum + seconds, 0);
  return stages.map((stage) => ({
    ...stage,
    share: total === 0 ? 0 : (100 * stage.seconds) / total,
  }));
}
