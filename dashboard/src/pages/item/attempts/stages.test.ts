import { expect, it } from "vitest";
import { stageShares } from "./stages";

const now = Date.parse("2026-11-28T12:02:00Z");

it("divides the time of an attempt, up to now for the stage that runs", () => {
  const shares = stageShares(
    {
      endedAt: null,
      stages: [
        { stage: "preparing", startedAt: "2026-11-28T12:00:00Z", endedAt: "2026-11-28T12:00:30Z" },
        { stage: "working", startedAt: "2026-11-28T12:00:30Z", endedAt: null },
      ],
    },
    now,
  );
  expect(shares.map(({ seconds, share }) => [seconds, share])).toEqual([
    [30, 25],
    [90, 75],
  ]);
});

it("ends an unfinished stage with its attempt", () => {
  const [share] = stageShares(
    {
      endedAt: "2026-11-28T12:01:00Z",
      stages: [{ stage: "working", startedAt: "2026-11-28T12:00:00Z" }],
    },
    now,
  );
  expect(share).toMatchObject({ seconds: 60, share: 100 });
});

it("survives stages without a length", () => {
  const startedAt = "2026-11-28T12:00:00Z";
  const [share] = stageShares(
    { stages: [{ stage: "working", startedAt, endedAt: startedAt }] },
    now,
  );
  expect(share?.share).toBe(0);
});
