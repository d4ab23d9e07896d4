import { describe, expect, it } from "vitest";
import type { Effect, LearningsUplift } from "@/api/types";
import {
  axisTicks,
  effectPoints,
  effectRows,
  formatDifference,
  formatInterval,
  judge,
} from "./effects";

const UNKNOWN: Effect = { summary: "not enough data yet" };

function effect(low: number, high: number): Effect {
  return { low, high, estimate: (low + high) / 2, summary: "" };
}

function comparison(items: number, success: Effect) {
  return {
    withLearnings: { items: items - 1 },
    withoutLearnings: { items: 1 },
    success,
    iterations: UNKNOWN,
    costUsd: UNKNOWN,
    repairs: UNKNOWN,
  };
}

const UPLIFT: LearningsUplift = {
  all: comparison(90, effect(0.02, 0.2)),
  repositories: [
    { repo: "acme/few", comparison: comparison(5, UNKNOWN) },
    { repo: "acme/less", comparison: comparison(25, effect(-0.1, 0.3)) },
    { repo: "acme/more", comparison: comparison(60, effect(0.1, 0.2)) },
  ],
};

describe("judge", () => {
  it("is better or worse only if the interval leaves out zero", () => {
    expect(judge(effect(0.02, 0.2), "success")).toBe("better");
    expect(judge(effect(0.02, 0.2), "repairs")).toBe("worse");
    expect(judge(effect(-2, -1), "iterations")).toBe("better");
    expect(judge(effect(-0.4, -0.1), "success")).toBe("worse");
    expect(judge(effect(-0.1, 0.1), "costUsd")).toBe("unclear");
    expect(judge(effect(0, 0.1), "success")).toBe("unclear");
    expect(judge(UNKNOWN, "success")).toBe("unknown");
  });
});

describe("differences", () => {
  it("have a sign and their unit", () => {
    expect(formatDifference(0.114, "success")).toBe("+11 points");
    expect(formatDifference(-0.034, "repairs")).toBe("−3.4 points");
    expect(formatDifference(-0.42, "costUsd")).toBe("−$0.42");
    expect(formatDifference(0.04, "iterations")).toBe("0.0");
  });

  it("have an interval, or a dash", () => {
    expect(formatInterval(effect(0.03, 0.19), "success")).toBe("+3.0 to +19 points");
    expect(formatInterval(effect(-1.5, 0.25), "iterations")).toBe("−1.5 to +0.3");
    expect(formatInterval(UNKNOWN, "success")).toBe("–");
  });
});

describe("rows and points", () => {
  const rows = effectRows(UPLIFT, "success");

  it("have all repositories first", () => {
    expect(rows.map(({ name }) => name)).toEqual([
      "All repositories",
      "acme/few",
      "acme/less",
      "acme/more",
    ]);
  });

  it("are drawn where there is an estimate, those with the most items first", () => {
    expect(effectPoints(rows, "success", 2).map(({ name }) => name)).toEqual([
      "All repositories",
      "acme/more",
    ]);
    const [, , last] = effectPoints(rows, "success", 10);
    expect(last).toMatchObject({ name: "acme/less", text: "+10" });
    expect(last?.reach.map((reach) => reach.toFixed(2))).toEqual(["0.20", "0.20"]);
    expect(effectPoints(effectRows(UPLIFT, "repairs"), "repairs", 10)).toEqual([]);
  });

  it("lie within round ticks that include zero", () => {
    const ticks = axisTicks(effectPoints(rows, "success", 10)).map((tick) => tick.toFixed(1));
    expect(ticks).toEqual(["-0.1", "0.0", "0.1", "0.2", "0.3"]);
  });
});
