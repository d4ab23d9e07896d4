import { describe, expect, it } from "vitest";
import {
  formatDuration,
  formatRelative,
  formatShortDuration,
  secondsBetween,
  utcDay,
} from "./time";

describe("formatDuration", () => {
  it.each([
    [-5, "0s"],
    [0.9, "0s"],
    [59.9, "59s"],
    [60, "1m 00s"],
    [3599, "59m 59s"],
    [3600, "1h 00m"],
    [90_061, "1d 1h"],
  ])("writes %s seconds as %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe("formatShortDuration", () => {
  it.each([
    [-1, "0.0s"],
    [0.36, "0.4s"],
    [9.94, "9.9s"],
    [9.96, "9s"],
    [61, "1m 01s"],
  ])("writes %s seconds as %s", (seconds, text) => {
    expect(formatShortDuration(seconds)).toBe(text);
  });
});

describe("utcDay", () => {
  it("is the day in UTC, whatever the local day is", () => {
    expect(utcDay(Date.parse("2026-11-28T23:59:59Z"))).toBe("2026-11-28");
    expect(utcDay(Date.parse("2026-11-29T00:30:00+01:00"))).toBe("2026-11-28");
  });
});

describe("formatRelative", () => {
  const now = Date.parse("2026-11-28T12:00:00Z");
  it.each([
    ["2026-11-28T11:59:55Z", "just now"],
    ["2026-11-28T12:00:05Z", "just now"],
    ["2026-11-28T11:59:20Z", "40 s ago"],
    ["2026-11-28T11:00:01Z", "59 min ago"],
    ["2026-11-28T14:00:00Z", "in 2 h"],
    ["2026-11-20T12:00:00Z", "8 d ago"],
  ])("writes %s as %s", (timestamp, text) => {
    expect(formatRelative(timestamp, now)).toBe(text);
  });
});

it("measures to a timestamp and to a time in milliseconds alike", () => {
  const start = "2026-11-28T12:00:00Z";
  const end = "2026-11-28T12:01:30Z";
  expect(secondsBetween(start, end)).toBe(90);
  expect(secondsBetween(start, Date.parse(end))).toBe(90);
});
