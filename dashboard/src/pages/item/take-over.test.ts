import { expect, it } from "vitest";
import { takeOverCommands } from "./take-over";

it("fetches and switches to the branch, and continues a checklist", () => {
  expect(takeOverCommands({ branch: "whim/7-login", spec: "- [ ] a" })).toBe(
    "git fetch origin whim/7-login\ngit switch whim/7-login\nralph run --spec SPEC.md",
  );
  expect(takeOverCommands({ branch: "whim/7-login", spec: null })).not.toContain("ralph");
});
