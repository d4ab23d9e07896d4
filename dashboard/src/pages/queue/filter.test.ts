import { describe, expect, it } from "vitest";
import { anItem } from "@/lib/testing";
import { apiFilter, matches, options } from "./filter";

const item = anItem({
  repo: "owner/repo",
  source: "github",
  priority: "high",
  requestedBy: "Ada",
  metadata: { issueTitle: "Add a login", issueNumber: 12 },
});

describe("matches", () => {
  it.each([
    [{}, true],
    [{ q: "LOGIN add" }, true],
    [{ q: "#12" }, true],
    [{ q: "ada" }, true],
    [{ q: "login logout" }, false],
    [{ repo: "owner/other" }, false],
    [{ source: "api" }, false],
    [{ priority: "low" as const }, false],
    [{ repo: "owner/repo", source: "github", priority: "high" as const, q: "  " }, true],
  ])("%o gives %s", (search, expected) => {
    expect(matches(item, search)).toBe(expected);
  });
});

it("asks the API for a state only where one is chosen", () => {
  expect(apiFilter({ view: "all" }).status).toBeUndefined();
  expect(apiFilter({ view: "failed", repo: "o/r" })).toMatchObject({
    status: "failed",
    repo: "o/r",
  });
});

it("offers each value once, and the chosen one always", () => {
  expect(options(["b", "a", "b"], "c")).toEqual(["a", "b", "c"]);
});
