import { expect, it } from "vitest";
import type { Health } from "@/api/types";
import { aStatus } from "@/lib/testing";
import { isConnected, isSubmitted } from "./first-steps";

const fine = { healthy: true, message: "ok" };
const broken = { healthy: false, message: "no" };
const health: Health = { healthy: true, postgres: fine, redis: fine, runtime: fine };

it("is connected when everything that an item needs responds", () => {
  expect(isConnected(undefined)).toBe(false);
  expect(isConnected(health)).toBe(true);
  expect(isConnected({ ...health, healthy: false, redis: broken })).toBe(false);
  expect(isConnected({ ...health, github: broken })).toBe(false);
});

it("counts an item in any state as submitted", () => {
  expect(isSubmitted(aStatus())).toBe(false);
  expect(isSubmitted(aStatus({ items: { queued: 0 } }))).toBe(false);
  expect(isSubmitted(aStatus({ items: { failed: 1 } }))).toBe(true);
});
