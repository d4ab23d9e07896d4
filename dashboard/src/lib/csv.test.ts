import { expect, it } from "vitest";
import { toCsv } from "./csv";

it("quotes commas, quotes and line ends", () => {
  expect(toCsv(["a", "b"], [['x, "y"', "1\n2"]])).toBe('a,b\r\n"x, ""y""","1\n2"\r\n');
});

it("keeps formulas from running, and numbers as they are", () => {
  expect(toCsv(["a"], [["=1+1"], ["@x"], ["-x"]])).toBe("a\r\n'=1+1\r\n'@x\r\n'-x\r\n");
  expect(toCsv(["a"], [[-1.5], [undefined]])).toBe("a\r\n-1.5\r\n\r\n");
});
