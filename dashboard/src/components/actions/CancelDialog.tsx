import { TextInput } from "@mantine/core";
import { useState } from "react";
import { useCancelItem } from "@/api/actions";
import type { WorkItem } from "@/api/types";
import { ConfirmDialog } from "@/components/ConfirmDialog";

const MAX_REASON = 4096;

interface CancelDialogProps {
  item: WorkItem;
  opened: boolean;
  onClose: () => void;
}

export function CancelDialog({ item, opened, onClose }: CancelDialogProps) {
  const [reason, setReason] = useState("");
  const cancel = useCancelItem();
  const running = item.status === "in_progress" || item.status === "assigned";
  const confirm = () => {
    const text = reason.trim();
    cancel.mutate({ params: { path: { id: item.id } }, body: text ? { reason: text } : {} });
    onClose();
  };
  return (
    <ConfirmDialog
      opened={opened}
      title="Cancel this item?"
      confirmLabel="Cancel the item"
      tone="danger"
      busy={cancel.isPending}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>
        {running ? "Its worker stops at once, and pushed commits are kept. " : ""}
        It can be run again later.
      </p>
      <TextInput
        label="Reason"
        description={item.source === "github" ? "Optional; shown on the issue" : "Optional"}
        maxLength={MAX_REASON}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        data-autofocus
      />
    </ConfirmDialog>
  );
}
