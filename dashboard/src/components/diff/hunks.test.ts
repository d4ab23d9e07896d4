import { describe, expect, it } from "vitest";
import { hunksBetween, hunksOfPatch } from "./hunks";

describe("hunksOfPatch", () => {
  it("reads hunks, and lines that look like headers as text", () => {
    const hunks = hunksOfPatch("@@ -1,2 +1,3 @@\n a\n-b\n+<img src=x>\n+++ diff --git a/x b/x\n");
    expect(hunks).toHaveLength(1);
    expect(hunks?.[0]?.changes.map(({ type, content }) => [type, content])).toEqual([
      ["normal", "a"],
      ["delete", "b"],
      ["insert", "<img src=x>"],
      ["insert", "++ diff --git a/x b/x"],
    ]);
  });

  it.each(["", "diff --git a/f b/f", "text", "@@"])("refuses %o", (patch) => {
    expect(hunksOfPatch(patch)).toBeUndefined();
  });
});

describe("hunksBetween", () => {
  it("compares two texts by line", () => {
    const changes = hunksBetween("a\nb\n", "a\nc\n")?.flatMap((hunk) => hunk.changes);
    expect(changes?.map(({ type, content }) => [type, content])).toEqual([
      ["normal", "a"],
      ["delete", "b"],
      ["insert", "c"],
    ]);
  });

  it("finds nothing between equal texts, and a new file whole", () => {
    expect(hunksBetween("a\n", "a\n")).toEqual([]);
    expect(hunksBetween("", "a\nb\n")?.[0]?.changes).toHaveLength(2);
  });

  it("does not compare very long texts", () => {
    expect(hunksBetween("", "x\n".repeat(6000))).toBeUndefined();
  });
});
