import { Button, Textarea } from "@mantine/core";
import { IconSend } from "@tabler/icons-react";
import { type KeyboardEvent, type SyntheticEvent, useState } from "react";
import { noteProblem } from "@/lib/notes";
import classes from "./NotesPanel.module.css";

interface NoteFormProps {
  text: string;
  onChange: (text: string) => void;
  /** Receives the text without surrounding space. */
  onSend: (text: string) => void;
}

export function NoteForm({ text, onChange, onSend }: NoteFormProps) {
  // An empty form is no mistake before somebody sends it.
  const [tried, setTried] = useState(false);
  const problem = noteProblem(text);
  const send = () => {
    setTried(problem !== undefined);
    if (problem === undefined) onSend(text.trim());
  };
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  };
  const tooLong = problem !== undefined && text.trim() !== "";
  return (
    <form className={classes.form} onSubmit={submit}>
      <Textarea
        label="Note"
        description="The agent reads it with its next iteration."
        placeholder="Use the date library that is there."
        autosize
        minRows={2}
        maxRows={10}
        value={text}
        error={tooLong || tried ? problem : undefined}
        onChange={(event) => {
          setTried(false);
          onChange(event.currentTarget.value);
        }}
        onKeyDown={onKeyDown}
      />
      <div className={classes.send}>
        <Button type="submit" size="xs" leftSection={<IconSend size={14} aria-hidden />}>
          Send note
        </Button>
        <span className={classes.text}>
          <kbd>Ctrl</kbd> + <kbd>Enter</kbd>
        </span>
      </div>
    </form>
  );
}
