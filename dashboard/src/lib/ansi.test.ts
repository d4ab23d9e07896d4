import { describe, expect, it } from "vitest";
import { ansiParts } from "./ansi";

const ESC = "\u001b";

function plain(text: string): string {
  return ansiParts(text)
    .map(({ content }) => content)
    .join("");
}

describe("ansiParts", () => {
  it("names colours and weights", () => {
    expect(ansiParts(`a ${ESC}[1;31mred${ESC}[0m b`)).toEqual([
      { content: "a ", names: [] },
      { content: "red", names: ["ansi-red", "bold"] },
      { content: " b", names: [] },
    ]);
  });

  it("removes links, titles and cursor movements", () => {
    const link = `${ESC}]8;;https://evil.example/${ESC}\\here${ESC}]8;;${ESC}\\`;
    expect(plain(`${ESC}]0;title\u0007${link}${ESC}[2K${ESC}[1A!`)).toBe("here!");
  });

  it("keeps markup as text", () => {
    expect(plain("<img src=x onerror=alert(1)>")).toBe("<img src=x onerror=alert(1)>");
  });

  it("survives sequences that are cut off", () => {
    expect(plain(`a${ESC}]8;;https://evil.example`)).toBe("a");
    expect(plain(`a${ESC}`)).toContain("a");
  });
});
