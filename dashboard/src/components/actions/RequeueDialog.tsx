import { Textarea } from "@mantine/core";
import { useState } from "react";
import { useRequeueItem } from "@/api/actions";
import type { WorkItem } from "@/api/types";
import { ConfirmDialog } from "@/components/ConfirmDialog";

interface RequeueDialogProps {
  item: WorkItem;
  opened: boolean;
  onClose: () => void;
}

export function RequeueDialog({ item, opened, onClose }: RequeueDialogProps) {
  const [description, setDescription] = useState(item.description ?? "");
  const requeue = useRequeueItem();
  const changed = description.trim() !== "" && description !== item.description;
  const confirm = () => {
    requeue.mutate({
      params: { path: { id: item.id } },
      body: { afterRun: item.run, ...(changed ? { description } : {}) },
    });
    onClose();
  };
  return (
    <ConfirmDialog
      opened={opened}
      title="Run this item again?"
      confirmLabel="Run again"
      busy={requeue.isPending}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>
        Run {item.run + 1} continues with the commits on <code>{item.branch}</code> and with the
        open tasks of the checklist.
      </p>
      {item.description != null && (
        <Textarea
          label="Description"
          description="If you change it, a new checklist is written from it"
          autosize
          minRows={3}
          maxRows={12}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
      )}
    </ConfirmDialog>
  );
}
