import type { WorkItem } from "@/api/types";

export interface HourCount {
  /** Start of the hour, in milliseconds. */
  hour: number;
  completed: number;
  failed: number;
}

const HOUR_MS = 3_600_000;
const HOURS = 24;

/** Items that ended in each of the last 24 hours, oldest first; the last one is the current hour. */
export function endedByHour(items: readonly WorkItem[], now: number): HourCount[] {
  const current = Math.floor(now / HOUR_MS) * HOUR_MS;
  const hours = Array.from({ length: HOURS }, (_, index): HourCount => {
    return { hour: current - (HOURS - 1 - index) * HOUR_MS, completed: 0, failed: 0 };
  });
  const first = current - (HOURS - 1) * HOUR_MS;
  for (const item of items) {
    if (!item.endedAt) continue;
    const count = hours[Math.floor((Date.parse(item.endedAt) - first) / HOUR_MS)];
    if (count && item.status === "completed") count.completed += 1;
    if (count && item.status === "failed") count.failed += 1;
  }
  return hours;
}
