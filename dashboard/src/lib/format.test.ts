import { expect, it } from "vitest";
import {
  formatBytes,
  formatCompact,
  formatPercent,
  formatUsd,
  plural,
  sentence,
  totalTokens,
} from "./format";

it.each([
  [0, "$0.00"],
  [0.004, "<$0.01"],
  [1234.5, "$1,234.50"],
])("writes %s dollars as %s", (value, text) => {
  expect(formatUsd(value)).toBe(text);
});

it("abbreviates large counts", () => {
  expect(formatCompact(950)).toBe("950");
  expect(formatCompact(1_250_000)).toBe("1.3M");
});

it("rounds ratios to whole percent", () => {
  expect(formatPercent(2 / 3)).toBe("67 %");
});

it("uses the singular for exactly one", () => {
  expect(plural(1, "item")).toBe("1 item");
  expect(plural(0, "item")).toBe("0 items");
  expect(plural(2, "entry", "entries")).toBe("2 entries");
});

it("writes bytes in decimal units", () => {
  expect(formatBytes(1)).toBe("1 byte");
  expect(formatBytes(91_234)).toBe("91.2 kB");
  expect(formatBytes(66_000_000)).toBe("66.0 MB");
});

it("counts missing tokens as zero", () => {
  expect(totalTokens({ input: 2, cacheRead: 3 })).toBe(5);
});

it("makes sentences of reasons", () => {
  expect(sentence(" the disk is full ")).toBe("The disk is full.");
  expect(sentence("Is it? Yes!")).toBe("Is it? Yes!");
});
