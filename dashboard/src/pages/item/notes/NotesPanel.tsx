import { useState } from "react";
import { useAddNote } from "@/api/actions";
import { useNotes } from "@/api/queries";
import type { WorkItem } from "@/api/types";
import { Panel } from "@/components/Panel";
import { Loaded } from "@/components/States";
import { isEndedItem } from "@/lib/statuses";
import { NoteForm } from "./NoteForm";
import { NoteList } from "./NoteList";
import classes from "./NotesPanel.module.css";

/** The notes to the agent, with a form for another one as long as an agent can still read it. */
export default function NotesPanel({ item }: { item: WorkItem }) {
  const notes = useNotes(item.id);
  const ended = isEndedItem(item.status);
  return (
    <Panel title="Notes to the agent">
      <div className={classes.content}>
        <Loaded query={notes} what="The notes" skeleton={null}>
          {(data) =>
            data.notes.length > 0 && <NoteList notes={data.notes} item={{ run: item.run, ended }} />
          }
        </Loaded>
        {ended ? (
          <p className={classes.text}>
            This item has ended. For a new note another run is needed: “Run again” starts one.
          </p>
        ) : (
          <Form id={item.id} />
        )}
      </div>
    </Panel>
  );
}

function Form({ id }: { id: string }) {
  const [text, setText] = useState("");
  const add = useAddNote();
  const send = (note: string) => {
    setText("");
    add.mutate(
      { params: { path: { id } }, body: { text: note } },
      // Unless the person has begun another one.
      { onError: () => setText((current) => (current === "" ? note : current)) },
    );
  };
  return <NoteForm text={text} onChange={setText} onSend={send} />;
}
