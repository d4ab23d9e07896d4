import { describe, expect, it } from "vitest";
import { HotkeyParser, type Keystroke } from "./hotkeys";

const stroke = (key: string, fields: Partial<Keystroke> = {}): Keystroke => ({
  key,
  modified: false,
  typing: false,
  at: 0,
  ...fields,
});

describe("HotkeyParser", () => {
  it("goes to a page after g", () => {
    const parser = new HotkeyParser();
    expect(parser.next(stroke("g"))).toBeUndefined();
    expect(parser.next(stroke("q", { at: 500 }))).toEqual({ kind: "go", path: "/queue" });
    expect(parser.next(stroke("q", { at: 600 }))).toBeUndefined();
  });

  it("forgets g after a while and after another key", () => {
    const parser = new HotkeyParser();
    parser.next(stroke("g"));
    expect(parser.next(stroke("q", { at: 5000 }))).toBeUndefined();
    parser.next(stroke("g", { at: 6000 }));
    parser.next(stroke("x", { at: 6100 }));
    expect(parser.next(stroke("q", { at: 6200 }))).toBeUndefined();
  });

  it("keeps out of text fields and of the browser's shortcuts", () => {
    const parser = new HotkeyParser();
    expect(parser.next(stroke("/", { typing: true }))).toBeUndefined();
    expect(parser.next(stroke("j", { modified: true }))).toBeUndefined();
    parser.next(stroke("g", { typing: true }));
    expect(parser.next(stroke("q"))).toBeUndefined();
  });

  it("moves, searches and helps", () => {
    const parser = new HotkeyParser();
    expect(parser.next(stroke("j"))).toEqual({ kind: "move", by: 1 });
    expect(parser.next(stroke("k"))).toEqual({ kind: "move", by: -1 });
    expect(parser.next(stroke("/"))).toEqual({ kind: "search" });
    expect(parser.next(stroke("?"))).toEqual({ kind: "help" });
  });
});
