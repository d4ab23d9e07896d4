import { Modal } from "@mantine/core";
import { AddWorkForm } from "./AddWorkForm";

export default function AddWorkDialog({ onClose }: { onClose: () => void }) {
  return (
    <Modal
      opened
      onClose={onClose}
      title="Add work"
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <AddWorkForm onClose={onClose} />
    </Modal>
  );
}
