import { describe, expect, it } from "vitest";
import { isComplete, problemsOf, requestOf, type WorkForm } from "./work-form";

const form: WorkForm = {
  repo: "owner/repo",
  kind: "description",
  text: "Add a login",
  priority: "medium",
};

describe("problemsOf", () => {
  it.each([
    "",
    "repo",
    "owner/",
    "/repo",
    "-x/repo",
    "owner/re po",
    "https://github.com/owner/repo",
  ])("asks for owner/name instead of %o", (repo) => {
    expect(problemsOf({ ...form, repo }).repo).toBeDefined();
  });

  it("accepts a description of any form, and a spec with an open task", () => {
    expect(isComplete(form)).toBe(true);
    expect(isComplete({ ...form, text: " \n" })).toBe(false);
    expect(isComplete({ ...form, kind: "spec" })).toBe(false);
    expect(isComplete({ ...form, kind: "spec", text: "- [ ] Add a login" })).toBe(true);
  });
});

it("sends either a description or a spec", () => {
  expect(requestOf(form)).toEqual({
    repo: "owner/repo",
    priority: "medium",
    description: "Add a login",
  });
  expect(requestOf({ ...form, repo: " owner/repo ", kind: "spec", text: "- [ ] a\n" })).toEqual({
    repo: "owner/repo",
    priority: "medium",
    spec: "- [ ] a\n",
  });
});
