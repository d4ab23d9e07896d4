import { describe, expect, it } from "vitest";
import type { DailyDurations } from "@/api/types";
import { formatUtcDay } from "@/lib/time";
import { durationPoints } from "./durations";

function durationsOf(day: string, attempt: number, wait?: number): DailyDurations {
  return { day, attempts: { medianSeconds: attempt }, queueWait: { medianSeconds: wait } };
}

describe("durationPoints", () => {
  it("has a point without values for each day that is left out", () => {
    const points = durationPoints([
      durationsOf("2026-03-02", 30, 3),
      durationsOf("2026-02-27", 10),
    ]);
    expect(points).toEqual([
      { label: formatUtcDay("2026-02-27"), attempt: 10, wait: null },
      { label: formatUtcDay("2026-02-28"), attempt: null, wait: null },
      { label: formatUtcDay("2026-03-01"), attempt: null, wait: null },
      { label: formatUtcDay("2026-03-02"), attempt: 30, wait: 3 },
    ]);
  });

  it("has none without durations", () => {
    expect(durationPoints([])).toEqual([]);
  });
});
