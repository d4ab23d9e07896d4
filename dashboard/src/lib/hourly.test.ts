import { expect, it } from "vitest";
import { endedByHour } from "./hourly";
import { anItem } from "./testing";

const now = Date.parse("2026-11-28T12:30:00Z");

it("counts the items that ended in each of the last 24 hours", () => {
  const hours = endedByHour(
    [
      anItem({ status: "completed", endedAt: "2026-11-28T12:00:00Z" }),
      anItem({ status: "failed", endedAt: "2026-11-28T11:59:59Z" }),
      anItem({ status: "completed", endedAt: "2026-11-27T13:00:00Z" }),
      anItem({ status: "completed", endedAt: "2026-11-27T12:59:59Z" }),
      anItem({ status: "cancelled", endedAt: "2026-11-28T12:00:00Z" }),
      anItem({ status: "queued" }),
    ],
    now,
  );
  expect(hours).toHaveLength(24);
  expect(hours.at(-1)).toMatchObject({ completed: 1, failed: 0 });
  expect(hours.at(-2)).toMatchObject({ completed: 0, failed: 1 });
  expect(hours[0]).toMatchObject({ completed: 1 });
  expect(hours.reduce((sum, { completed }) => sum + completed, 0)).toBe(2);
});
