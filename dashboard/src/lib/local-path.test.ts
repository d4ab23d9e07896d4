import { expect, it } from "vitest";
import { localPath } from "./local-path";

it.each([
  "https://evil.example/",
  "//evil.example/",
  "/\\evil.example",
  "javascript:alert(1)",
  "",
  undefined,
  "/login?next=/x",
])("leads to the overview instead of %s", (next) => {
  expect(localPath(next)).toBe("/");
});

it("keeps paths with their parameters", () => {
  expect(localPath("/queue?view=failed#x")).toBe("/queue?view=failed#x");
});
