import { describe, expect, it, vi } from "vitest";
import type { TranscriptEntry, TranscriptPage } from "@/api/types";
import { type FetchPage, TranscriptStore } from "./store";

/** A server with the entries `first` to `last`, whose responses end after `cut` entries. */
function server(first: number, last: number, cut = 1000) {
  const state = { last };
  const fetchPage = vi.fn<FetchPage>(async (after, limit): Promise<TranscriptPage> => {
    const from = Math.max(after + 1, first);
    const to = Math.min(from + Math.min(limit, cut) - 1, state.last);
    const items = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) =>
      entry(from + index),
    );
    return { workItemId: "i", firstNumber: first, lastNumber: state.last, items };
  });
  return { state, fetchPage };
}

function entry(number: number): TranscriptEntry {
  return {
    number,
    occurredAt: "2026-11-28T12:00:00Z",
    iteration: 1,
    type: "notice",
    message: `entry ${number}`,
  };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

describe("TranscriptStore", () => {
  it("reads only the pages that are shown", async () => {
    const { fetchPage } = server(1, 100_000);
    const store = new TranscriptStore(fetchPage);
    await store.open();
    expect(store.getSnapshot()).toMatchObject({ first: 1, last: 100_000, loaded: true });
    store.ensure(99_950, 100_000);
    await settle();
    expect(store.entry(99_975)).toMatchObject({ number: 99_975 });
    expect(store.entry(50)).toBeUndefined();
    expect(fetchPage).toHaveBeenCalledTimes(2);
  });

  it("asks again where a response ended early", async () => {
    const { fetchPage } = server(1, 100, 30);
    const store = new TranscriptStore(fetchPage);
    await store.open();
    store.ensure(1, 100);
    await settle();
    expect(store.entry(100)).toMatchObject({ number: 100 });
    expect(fetchPage.mock.calls.slice(1).map(([after]) => after)).toEqual([0, 30, 60, 90]);
  });

  it("reads only what is new when the transcript grows", async () => {
    const { state, fetchPage } = server(1, 10);
    const store = new TranscriptStore(fetchPage);
    await store.open();
    store.ensure(1, 10);
    await settle();
    state.last = 12;
    store.onSignal(12);
    store.ensure(1, 12);
    await settle();
    expect(fetchPage.mock.calls.at(-1)).toEqual([10, 90]);
    expect(store.entry(12)).toMatchObject({ number: 12 });
  });

  it("starts with the oldest entry that is still stored", async () => {
    const { fetchPage } = server(150, 260);
    const store = new TranscriptStore(fetchPage);
    await store.open();
    store.ensure(1, 160);
    await settle();
    expect(store.getSnapshot().first).toBe(150);
    expect(store.entry(150)).toMatchObject({ number: 150 });
    expect(store.entry(149)).toBeUndefined();
  });

  it("does not request a page twice at the same time", async () => {
    const { fetchPage } = server(1, 50);
    const store = new TranscriptStore(fetchPage);
    await store.open();
    store.ensure(1, 50);
    store.ensure(1, 50);
    await settle();
    expect(fetchPage).toHaveBeenCalledTimes(2);
  });

  it("forgets the pages that were not used for the longest time", async () => {
    const { fetchPage } = server(1, 1000);
    const store = new TranscriptStore(fetchPage, 2);
    await store.open();
    for (const number of [1, 201, 401]) {
      store.ensure(number, number);
      await settle();
    }
    expect(store.entry(1)).toBeUndefined();
    expect(store.entry(401)).toBeDefined();
    store.ensure(1, 1);
    await settle();
    expect(store.entry(1)).toBeDefined();
  });

  it("reports a failed request and reads again on demand", async () => {
    const { fetchPage } = server(1, 10);
    const store = new TranscriptStore(fetchPage);
    await store.open();
    fetchPage.mockRejectedValueOnce(new Error("down"));
    store.ensure(1, 10);
    await settle();
    expect(store.getSnapshot().error).toBeInstanceOf(Error);
    store.retry();
    store.ensure(1, 10);
    await settle();
    expect(store.getSnapshot().error).toBeNull();
    expect(store.entry(10)).toBeDefined();
  });
});
