import { expect, it } from "vitest";
import { summarizeReport } from "./report";

it("states what a run did, without what it did not do", () => {
  const report = {
    expired: 2,
    notRegistered: 0,
    suspended: false,
    events: { dropped: ["a", "b"] },
  };
  expect(summarizeReport(report)).toBe("expired 2 · events dropped 2");
});

it("is empty when there was nothing to do", () => {
  expect(summarizeReport({ removed: 0, kept: [], oldest: null })).toBe("");
  expect(summarizeReport(null)).toBe("");
});

it("takes a bare value as it is", () => {
  expect(summarizeReport(3)).toBe("3");
  expect(summarizeReport({ paused_for_disk: true })).toBe("paused for disk");
});
