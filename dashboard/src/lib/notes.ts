import type { Note } from "@/api/types";
import { formatRelative } from "./time";

/** Limit of a note's text, in characters. */
export const MAX_NOTE_CHARACTERS = 4000;

const SENDING = "sending-";

/** A note that the orchestrator has not confirmed yet. `position` tells several apart. */
export function unconfirmedNote(workItemId: string, text: string, position: number): Note {
  return {
    id: `${SENDING}${position}`,
    workItemId,
    run: 0,
    text,
    createdAt: new Date().toISOString(),
  };
}

export type NoteState = "sending" | "waiting" | "delivered" | "unread";

/** `unread` notes belong to an earlier run, or to one that ended: no agent will read them. */
export function noteState(note: Note, item: { run: number; ended: boolean }): NoteState {
  if (note.id.startsWith(SENDING)) return "sending";
  if (note.deliveredAt) return "delivered";
  return item.ended || note.run < item.run ? "unread" : "waiting";
}

/** `Given to attempt 2, 3 min ago`. */
export function noteStateText(state: NoteState, note: Note, now: number): string {
  switch (state) {
    case "sending":
      return "Being sent";
    case "waiting":
      return "Waits for the next iteration";
    case "unread":
      return "No agent has read it: its run has ended";
    case "delivered": {
      const to = note.attempt ? `attempt ${note.attempt}` : "an agent";
      return `Given to ${to}, ${formatRelative(note.deliveredAt ?? note.createdAt, now)}`;
    }
  }
}

/** Why the text cannot be sent; `undefined` if it can. Characters are counted as the orchestrator does. */
export function noteProblem(text: string): string | undefined {
  const length = [...text.trim()].length;
  if (length === 0) return "The note is empty.";
  if (length > MAX_NOTE_CHARACTERS)
    return `A note has at most ${MAX_NOTE_CHARACTERS} characters; this one has ${length}.`;
  return undefined;
}
