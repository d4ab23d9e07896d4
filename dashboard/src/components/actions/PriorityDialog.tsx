import { NativeSelect } from "@mantine/core";
import { useState } from "react";
import { useSetPriority } from "@/api/actions";
import type { Priority, WorkItem } from "@/api/types";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { PRIORITY } from "@/lib/statuses";
import { PRIORITIES } from "@/router";

interface PriorityDialogProps {
  item: WorkItem;
  opened: boolean;
  onClose: () => void;
}

export function PriorityDialog({ item, opened, onClose }: PriorityDialogProps) {
  const [priority, setPriority] = useState<Priority>(item.priority);
  const save = useSetPriority();
  const confirm = () => {
    if (priority !== item.priority)
      save.mutate({ params: { path: { id: item.id } }, body: { priority } });
    onClose();
  };
  return (
    <ConfirmDialog
      opened={opened}
      title="Change the priority"
      confirmLabel="Change"
      busy={save.isPending}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>Within a priority, the item that has waited longest starts first.</p>
      <NativeSelect
        label="Priority"
        data={PRIORITIES.map((value) => ({ value, label: PRIORITY[value].label }))}
        value={priority}
        onChange={(event) =>
          setPriority(
            PRIORITIES.find((value) => value === event.currentTarget.value) ?? item.priority,
          )
        }
        data-autofocus
      />
    </ConfirmDialog>
  );
}
