import { describe, expect, it } from "vitest";
import { itemTitle, webUrl } from "./title";

const item = { branch: "whim/7-login-ab12", metadata: {}, description: null, spec: null };

describe("itemTitle", () => {
  it("prefers the title of the issue", () => {
    const titled = { ...item, metadata: { issueTitle: " Add a login " }, spec: "# Other" };
    expect(itemTitle(titled)).toBe("Add a login");
  });

  it("falls back to the heading, the description and the branch", () => {
    expect(itemTitle({ ...item, spec: "intro\n# Greeting\n" })).toBe("Greeting");
    expect(itemTitle({ ...item, description: "\n\nFix the crash\nmore" })).toBe("Fix the crash");
    expect(itemTitle({ ...item, metadata: { issueTitle: "  " } })).toBe("whim/7-login-ab12");
    expect(itemTitle({ ...item, branch: "whim/7-add-a-login-1a2b3c4d" })).toBe("Add a login");
    expect(itemTitle({ ...item, branch: "feature/x" })).toBe("feature/x");
  });

  it("shortens long titles", () => {
    expect(itemTitle({ ...item, metadata: { issueTitle: "x".repeat(500) } })).toHaveLength(140);
  });
});

describe("webUrl", () => {
  it.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "//host/x",
    "/x",
    "",
    null,
  ])("refuses %s", (text) => {
    expect(webUrl(text)).toBeUndefined();
  });

  it("keeps web addresses", () => {
    expect(webUrl("https://github.com/a/b/pull/1")).toBe("https://github.com/a/b/pull/1");
    expect(webUrl("http://127.0.0.1:4000/a")).toBe("http://127.0.0.1:4000/a");
  });
});
