import type { DailyDurations } from "@/api/types";
import { formatUtcDay, utcDay } from "@/lib/time";

export interface DurationPoint {
  label: string;
  /** Median seconds; `null` for a day without any. */
  attempt: number | null;
  wait: number | null;
}

const DAY_MS = 86_400_000;

/**
 * The medians of each day from the oldest to the newest of `durations`, oldest first. Days that it leaves out have `null`, so
 * that a line does not join distant days.
 */
export function durationPoints(durations: readonly DailyDurations[]): DurationPoint[] {
  const byDay = new Map(durations.map((row) => [row.day, row]));
  const times = durations.map(({ day }) => Date.parse(day));
  const points: DurationPoint[] = [];
  for (let time = Math.min(...times); time <= Math.max(...times); time += DAY_MS) {
    const day = utcDay(time);
    const row = byDay.get(day);
    points.push({
      label: formatUtcDay(day),
      attempt: row?.attempts.medianSeconds ?? null,
      wait: row?.queueWait.medianSeconds ?? null,
    });
  }
  return points;
}
