import { Textarea } from "@mantine/core";
import { useState } from "react";
import { useUpdateLearning } from "@/api/actions";
import type { Learning } from "@/api/types";
import { ConfirmDialog } from "@/components/ConfirmDialog";

const MAX_CHARACTERS = 4096;

interface EditLearningDialogProps {
  learning: Learning;
  opened: boolean;
  onClose: () => void;
}

export function EditLearningDialog({ learning, opened, onClose }: EditLearningDialogProps) {
  const [text, setText] = useState(learning.text);
  const update = useUpdateLearning();
  const empty = text.trim() === "";
  const confirm = () => {
    if (empty) return;
    if (text !== learning.text)
      update.mutate({ params: { path: { id: learning.id } }, body: { text } });
    onClose();
  };
  return (
    <ConfirmDialog
      opened={opened}
      title="Edit this learning"
      confirmLabel="Save"
      busy={update.isPending}
      onConfirm={confirm}
      onClose={onClose}
    >
      <Textarea
        label="Text"
        autosize
        minRows={3}
        maxRows={12}
        maxLength={MAX_CHARACTERS}
        value={text}
        error={empty ? "The text is empty." : undefined}
        onChange={(event) => setText(event.currentTarget.value)}
        data-autofocus
      />
    </ConfirmDialog>
  );
}
