import { expect, it } from "vitest";
import { readableLine } from "./worker-log";

it("shows time, level, message and the fields of this line", () => {
  const line = JSON.stringify({
    service: "worker",
    timestamp: "2026-11-28T13:36:20.5Z",
    level: "INFO",
    message: "stage: working",
    attempt: 2,
  });
  expect(readableLine(line)).toMatch(/^\d\d:36:20 INFO {2}stage: working attempt=2$/);
});

it.each([
  "",
  "plain text",
  "{",
  "[1]",
  '{"message":"x"}',
  '{"timestamp":"x","level":"INFO","message":"m"}',
])("keeps %o", (line) => {
  expect(readableLine(line)).toBe(line);
});
