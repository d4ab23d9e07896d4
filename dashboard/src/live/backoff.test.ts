import { expect, it } from "vitest";
import { reconnectDelay } from "./backoff";

it("doubles from one second to half a minute", () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 100].map((attempt) => reconnectDelay(attempt, 1));
  expect(longest).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

it("spreads the second half at random", () => {
  expect(reconnectDelay(3, 0)).toBe(4000);
  expect(reconnectDelay(3, 0.5)).toBe(6000);
});
