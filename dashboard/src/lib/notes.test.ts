import { describe, expect, it } from "vitest";
import type { Note } from "@/api/types";
import { noteProblem, noteState, noteStateText, unconfirmedNote } from "./notes";

const NOW = Date.parse("2026-11-29T12:00:00Z");

function note(fields: Partial<Note> = {}): Note {
  return {
    id: "0193a000-0000-7000-8000-000000000001",
    workItemId: "0193a000-0000-7000-8000-000000000002",
    run: 2,
    text: "Use the date library that is there.",
    createdAt: "2026-11-29T11:50:00Z",
    ...fields,
  };
}

function textOf(subject: Note, item: { run: number; ended: boolean }): string {
  return noteStateText(noteState(subject, item), subject, NOW);
}

describe("the state of a note", () => {
  const live = { run: 2, ended: false };

  it("is said in words", () => {
    expect(textOf(unconfirmedNote("a", "x", 0), live)).toBe("Being sent");
    expect(textOf(note(), live)).toBe("Waits for the next iteration");
    expect(textOf(note({ deliveredAt: "2026-11-29T11:57:00Z", attempt: 2 }), live)).toBe(
      "Given to attempt 2, 3 min ago",
    );
  });

  it("is unread once its run has ended", () => {
    expect(noteState(note(), { run: 2, ended: true })).toBe("unread");
    expect(noteState(note({ run: 1 }), live)).toBe("unread");
    expect(noteState(note({ run: 1, deliveredAt: "2026-11-29T11:57:00Z" }), live)).toBe(
      "delivered",
    );
  });
});

describe("noteProblem", () => {
  it("names what is wrong with a text", () => {
    expect(noteProblem(" \n ")).toBe("The note is empty.");
    expect(noteProblem("🙂".repeat(4000))).toBeUndefined();
    expect(noteProblem("x".repeat(4001))).toContain("this one has 4001");
  });
});
