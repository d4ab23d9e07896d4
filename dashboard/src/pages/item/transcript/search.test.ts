import { describe, expect, it } from "vitest";
import type { TranscriptPage } from "@/api/types";
import { nextMatch, type SearchProgress, searchTranscript } from "./search";

async function fetchPage(after: number, limit: number): Promise<TranscriptPage> {
  const last = 450;
  const items = Array.from({ length: Math.min(limit, last - after) }, (_, index) => ({
    number: after + index + 1,
    occurredAt: "2026-11-28T12:00:00Z",
    iteration: 1,
    type: "notice" as const,
    message: (after + index + 1) % 100 === 0 ? "The Needle" : "hay",
  }));
  const end = after + items.length;
  return { workItemId: "i", lastNumber: last, items, nextCursor: end < last ? end : null };
}

describe("searchTranscript", () => {
  it("reports matches page by page until the end", async () => {
    const progress: SearchProgress[] = [];
    await searchTranscript(fetchPage, "needle", new AbortController().signal, (step) =>
      progress.push(step),
    );
    expect(progress.map(({ through, done }) => [through, done])).toEqual([
      [200, false],
      [400, false],
      [450, true],
    ]);
    expect(progress.at(-1)?.matches).toEqual([100, 200, 300, 400]);
  });

  it("stops when it is aborted", async () => {
    const abort = new AbortController();
    const progress: SearchProgress[] = [];
    await searchTranscript(fetchPage, "needle", abort.signal, (step) => {
      progress.push(step);
      abort.abort();
    });
    expect(progress).toHaveLength(1);
  });
});

it("goes around the ends", () => {
  const matches = [3, 7, 9];
  expect(nextMatch(matches, 7, 1)).toBe(9);
  expect(nextMatch(matches, 9, 1)).toBe(3);
  expect(nextMatch(matches, 3, -1)).toBe(9);
  expect(nextMatch([], 3, 1)).toBeUndefined();
});
