import {
  IconCircleCheck,
  IconCircleDashed,
  IconClock,
  IconLoader,
  type TablerIcon,
} from "@tabler/icons-react";
import type { Note } from "@/api/types";
import { ScrollRegion } from "@/components/ScrollRegion";
import { RelativeTime } from "@/components/Time";
import { useNow } from "@/lib/clock";
import { type NoteState, noteState, noteStateText } from "@/lib/notes";
import { formatExact } from "@/lib/time";
import classes from "./NotesPanel.module.css";

const ICON: Record<NoteState, TablerIcon> = {
  sending: IconLoader,
  waiting: IconClock,
  delivered: IconCircleCheck,
  unread: IconCircleDashed,
};

interface NoteListProps {
  /** Oldest first. */
  notes: Note[];
  item: { run: number; ended: boolean };
}

export function NoteList({ notes, item }: NoteListProps) {
  return (
    <ScrollRegion label="Notes" className={classes.list}>
      <ol>
        {notes.map((note) => (
          <Entry key={note.id} note={note} item={item} />
        ))}
      </ol>
    </ScrollRegion>
  );
}

function Entry({ note, item }: { note: Note; item: NoteListProps["item"] }) {
  const now = useNow("coarse");
  const state = noteState(note, item);
  const Icon = ICON[state];
  return (
    <li className={classes.note} data-state={state}>
      <p className={classes.words}>{note.text}</p>
      <p className={classes.meta}>
        {note.author && <span>{note.author}</span>}
        <RelativeTime at={note.createdAt} />
        {state !== "sending" && note.run < item.run && <span>Run {note.run}</span>}
      </p>
      <p
        className={classes.state}
        title={note.deliveredAt ? formatExact(note.deliveredAt) : undefined}
      >
        <Icon size={15} aria-hidden />
        {noteStateText(state, note, now)}
      </p>
    </li>
  );
}
