import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useKillWorker } from "@/api/actions";
import type { Worker } from "@/api/types";
import { ConfirmDialog } from "@/components/ConfirmDialog";

export function KillButton({ worker }: { worker: Worker }) {
  const [opened, dialog] = useDisclosure(false);
  const kill = useKillWorker();
  const confirm = () => {
    kill.mutate({ params: { path: { id: worker.id } }, body: {} });
    dialog.close();
  };
  return (
    <>
      <Button variant="default" size="xs" onClick={dialog.open}>
        Kill
      </Button>
      <ConfirmDialog
        opened={opened}
        title="Kill this worker?"
        confirmLabel="Kill the worker"
        tone="danger"
        busy={kill.isPending}
        onConfirm={confirm}
        onClose={dialog.close}
      >
        <p>
          Its agent stops at once. Pushed commits are kept, and the item is tried again. To stop the
          work for good, cancel the item instead.
        </p>
      </ConfirmDialog>
    </>
  );
}
