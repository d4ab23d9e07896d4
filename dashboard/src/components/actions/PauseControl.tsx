import { Button, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { useState } from "react";
import { usePauseQueue, useResumeQueue } from "@/api/actions";
import { useStatus } from "@/api/queries";
import { ConfirmDialog } from "@/components/ConfirmDialog";

export function PauseControl() {
  const { data: status } = useStatus();
  const resume = useResumeQueue();
  if (!status) return null;
  if (!status.paused) return <PauseButton />;
  return (
    <Button
      variant="default"
      leftSection={<IconPlayerPlay size={16} aria-hidden />}
      loading={resume.isPending}
      onClick={() => resume.mutate({ body: {} })}
    >
      Resume the queue
    </Button>
  );
}

function PauseButton() {
  const [opened, dialog] = useDisclosure(false);
  const [reason, setReason] = useState("");
  const pause = usePauseQueue();
  const confirm = () => {
    const text = reason.trim();
    pause.mutate({ body: text ? { reason: text } : {} });
    dialog.close();
  };
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconPlayerPause size={16} aria-hidden />}
        onClick={dialog.open}
      >
        Pause
      </Button>
      <ConfirmDialog
        opened={opened}
        title="Pause the queue?"
        confirmLabel="Pause the queue"
        busy={pause.isPending}
        onConfirm={confirm}
        onClose={dialog.close}
      >
        <p>
          No new worker starts until the queue is resumed, also after a restart. Running work
          continues.
        </p>
        <TextInput
          label="Reason"
          description="Optional; shown on the queue’s page"
          maxLength={4096}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          data-autofocus
        />
      </ConfirmDialog>
    </>
  );
}
