import { describe, expect, it } from "vitest";
import { checklistProblems, currentTask, introduction, parseChecklist } from "./checklist";

const SPEC = `# Login

Users need accounts.

## Tasks
- [x] Users can register
  - The form has a name
- [ ] Users can log in
\`\`\`
- [ ] not a task
\`\`\`
* [X] Users can log out
`;

describe("parseChecklist", () => {
  it("reads boxes, ticks and details, and skips code", () => {
    expect(parseChecklist(SPEC)).toEqual([
      { text: "Users can register", done: true, details: ["The form has a name"] },
      { text: "Users can log in", done: false, details: [] },
      { text: "Users can log out", done: true, details: [] },
    ]);
  });

  it("finds the first open task", () => {
    expect(currentTask(parseChecklist(SPEC))?.text).toBe("Users can log in");
    expect(currentTask([])).toBeUndefined();
  });

  it("accepts Windows line ends", () => {
    expect(parseChecklist("- [ ] a\r\n- [x] b\r\n").map((task) => task.text)).toEqual(["a", "b"]);
  });
});

it("reads the introduction without headings and tasks", () => {
  expect(introduction(SPEC)).toBe("Users need accounts.");
});

describe("checklistProblems", () => {
  it("asks for an open task", () => {
    expect(checklistProblems("- [x] done")[0]).toContain("at least one open task");
    expect(checklistProblems("-[ ] no space")[0]).toContain("at least one open task");
  });

  it("accepts a checklist with an open task", () => {
    expect(checklistProblems(SPEC)).toEqual([]);
  });

  it("measures bytes, not characters", () => {
    expect(checklistProblems(`- [ ] ${"é".repeat(131_072)}`)).toEqual([
      "It is longer than 256 KiB.",
    ]);
  });
});
