import { describe, expect, it } from "vitest";
import { entryText, type ToolCall, toolEdits, toolInputText, toolSummary } from "./tool-call";

const call: ToolCall = {
  number: 1,
  occurredAt: "2026-11-28T12:00:00Z",
  iteration: 1,
  type: "tool",
  kind: "bash",
  truncatedBytes: 0,
};

describe("toolSummary", () => {
  it("shows the first line of a command, or the path", () => {
    expect(toolSummary({ ...call, input: { command: "npm test\necho done" } })).toBe("npm test");
    expect(toolSummary({ ...call, kind: "read", path: "src/a.ts", input: { limit: 3 } })).toBe(
      "src/a.ts",
    );
  });

  it("is empty for a harness that reports no contents", () => {
    expect(toolSummary(call)).toBe("");
    expect(toolInputText(call)).toBe("");
  });
});

describe("toolEdits", () => {
  const write: ToolCall = { ...call, kind: "write", path: "a.ts" };

  it("reads replacements, several of them, and whole files", () => {
    expect(toolEdits({ ...write, input: { old_string: "a", new_string: "b" } })).toEqual([
      { path: "a.ts", before: "a", after: "b" },
    ]);
    const edits = [
      { old_string: "a", new_string: "b" },
      { old_string: "c", new_string: "" },
      "x",
      null,
    ];
    expect(toolEdits({ ...write, input: { edits } })).toHaveLength(2);
    expect(toolEdits({ ...write, input: { file_path: "b.ts", content: "new" } })).toEqual([
      { path: "a.ts", before: "", after: "new" },
    ]);
  });

  it("finds none in other tools and in arguments of another type", () => {
    expect(toolEdits({ ...call, input: { old_string: "a", new_string: "b" } })).toEqual([]);
    expect(toolEdits({ ...write, input: { old_string: 1, new_string: 2 } })).toEqual([]);
  });
});

it("searches arguments as well as names", () => {
  expect(entryText({ ...call, name: "Grep", input: { pattern: "needle" } })).toContain("needle");
});
