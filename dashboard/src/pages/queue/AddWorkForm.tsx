import {
  Autocomplete,
  Button,
  Group,
  SegmentedControl,
  Select,
  Stack,
  Textarea,
} from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useCreateWork } from "@/api/actions";
import { describeError, violationsOf } from "@/api/errors";
import { useNewestItems } from "@/api/queries";
import type { WorkItem } from "@/api/types";
import { parseChecklist } from "@/lib/checklist";
import { plural } from "@/lib/format";
import { PRIORITY } from "@/lib/statuses";
import { PRIORITIES } from "@/router";
import classes from "./AddWorkForm.module.css";
import { options } from "./filter";
import { isComplete, problemsOf, requestOf, type WorkForm } from "./work-form";

const EMPTY: WorkForm = { repo: "", kind: "description", text: "", priority: "medium" };

const KINDS = [
  { value: "description", label: "Description" },
  { value: "spec", label: "Checklist" },
] as const;

export function AddWorkForm({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const create = useCreateWork();
  const { data: newest } = useNewestItems();
  const [form, setForm] = useState(EMPTY);
  const [touched, setTouched] = useState(false);
  const set = (change: Partial<WorkForm>) => setForm({ ...form, ...change });
  const problems = touched ? problemsOf(form) : {};

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (!isComplete(form)) return;
    create.mutate({ body: requestOf(form) }, { onSuccess: opened });
  };
  const opened = (item: WorkItem) => {
    showWarnings(item);
    void navigate({ to: "/work/$id", params: { id: item.id } });
  };

  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Autocomplete
          label="Repository"
          placeholder="owner/name"
          data={options(newest?.items.map(({ repo }) => repo) ?? [], undefined)}
          value={form.repo}
          onChange={(repo) => set({ repo })}
          error={problems.repo}
          openOnFocus={false}
          data-autofocus
        />
        <SegmentedControl
          aria-label="Form of the task"
          data={[...KINDS]}
          value={form.kind}
          onChange={(kind) => set({ kind: kind === "spec" ? "spec" : "description" })}
        />
        <Textarea
          label={form.kind === "spec" ? "Checklist" : "Description"}
          description={
            form.kind === "spec"
              ? "One box per task that can be done, tested and committed on its own."
              : "What should change, and when it is done. Whim writes the checklist from it."
          }
          placeholder={
            form.kind === "spec" ? "# Login\n\n## Tasks\n- [ ] Users can log in" : undefined
          }
          autosize
          minRows={8}
          maxRows={18}
          value={form.text}
          onChange={(event) => set({ text: event.currentTarget.value })}
          error={problems.text}
          classNames={form.kind === "spec" ? { input: classes.mono } : undefined}
        />
        {form.kind === "spec" && <TaskCount spec={form.text} />}
        <Select
          label="Priority"
          data={PRIORITIES.map((value) => ({ value, label: PRIORITY[value].label }))}
          allowDeselect={false}
          value={form.priority}
          onChange={(value) =>
            set({ priority: PRIORITIES.find((priority) => priority === value) ?? "medium" })
          }
        />
        <Refusal error={create.error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Back
          </Button>
          <Button type="submit" loading={create.isPending}>
            Add to the queue
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function TaskCount({ spec }: { spec: string }) {
  const open = parseChecklist(spec).filter((task) => !task.done).length;
  return (
    <p className={classes.count} aria-live="polite">
      {plural(open, "open task")} found
    </p>
  );
}

function Refusal({ error }: { error: unknown }) {
  if (!error) return null;
  const violations = violationsOf(error);
  return (
    <div className={classes.refusal} role="alert">
      <p>{describeError(error)}</p>
      {violations.length > 0 && (
        <ul>
          {violations.map((violation) => (
            <li key={violation}>{violation}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Conventions that an accepted checklist violates. */
function showWarnings({ warnings }: WorkItem): void {
  if (!warnings || warnings.length === 0) return;
  notifications.show({
    color: "yellow",
    title: "Added, with remarks on the checklist",
    message: warnings.join(" "),
    autoClose: 20_000,
  });
}
