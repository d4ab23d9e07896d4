import { describe, expect, it } from "vitest";
import type { Breaker, Status } from "@/api/types";
import { attentionOf } from "./attention";
import { anItem, aStatus } from "./testing";

const now = Date.parse("2026-11-28T12:00:00Z");

const breaker: Breaker = {
  subject: "github",
  cause: "github_unavailable",
  explanation: "GitHub does not answer; the next worker probes it.",
  failures: 3,
  since: "2026-11-28T11:00:00Z",
  retryAt: "2026-11-28T12:10:00Z",
  hasFixedExpiry: false,
  halfOpen: false,
  operatorActionRequired: false,
};

function kinds(status: Status | undefined, failed = [anItem()]): string[] {
  return attentionOf(status, failed, now).map(({ kind }) => kind);
}

describe("attentionOf", () => {
  it("is empty when nothing needs a person", () => {
    expect(kinds(undefined)).toEqual([]);
    expect(kinds(aStatus())).toEqual([]);
  });

  it("puts rejected credentials before failures that end by themselves", () => {
    const refused: Breaker = {
      ...breaker,
      subject: "model",
      name: "ANTHROPIC_API_KEY",
      cause: "model_refused",
      operatorActionRequired: true,
    };
    const attention = attentionOf(aStatus({ breakers: [breaker, refused] }), [], now);
    expect(attention.map(({ title }) => title)).toEqual([
      "Model credential rejected · ANTHROPIC_API_KEY",
      "GitHub unavailable",
    ]);
  });

  it("lists failed items of the last seven days, with the reason", () => {
    const failed = anItem({
      status: "failed",
      endedAt: "2026-11-27T12:00:00Z",
      error: "2 tests failed",
      failureCause: "tests_failed",
    });
    const old = anItem({ status: "failed", endedAt: "2026-11-20T12:00:00Z" });
    const attention = attentionOf(aStatus(), [failed, old], now);
    expect(attention).toHaveLength(1);
    expect(attention[0]?.text).toBe("2 tests failed.");
  });

  it("counts items of one repository with the same cause as one problem", () => {
    const failed = {
      status: "failed",
      failureCause: "workspace_unusable",
      endedAt: "2026-11-28T11:00:00Z",
    } as const;
    const attention = attentionOf(
      aStatus(),
      [
        anItem({ ...failed, id: "a" }),
        anItem({ ...failed, id: "b" }),
        anItem({ ...failed, id: "c", repo: "owner/other" }),
        anItem({ ...failed, id: "d", failureCause: "stuck" }),
      ],
      now,
    );
    expect(attention.map((entry) => entry.kind === "failed" && [entry.id, entry.count])).toEqual([
      ["a", 2],
      ["c", 1],
      ["d", 1],
    ]);
  });

  it("says who paused the queue and why", () => {
    const paused = { since: "2026-11-28T11:00:00Z", pausedBy: "ada", reason: "upgrade" };
    const [entry] = attentionOf(aStatus({ paused }), [], now);
    expect(entry?.text).toBe("Paused by ada: upgrade. Running work continues; nothing new starts.");
  });

  it("passes on warnings of the orchestrator", () => {
    expect(kinds(aStatus({ warnings: ["owner/repo has no budget left."] }))).toEqual(["warning"]);
  });
});
