import { UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconSelector } from "@tabler/icons-react";
import type { WorkItem } from "@/api/types";
import { PriorityMark } from "@/components/StatusBadge";
import { PRIORITY } from "@/lib/statuses";
import { itemTitle } from "@/lib/title";
import classes from "./PriorityControl.module.css";
import { PriorityDialog } from "./PriorityDialog";

/** The priority of an item; while the item waits, a button that changes it. */
export function PriorityControl({ item }: { item: WorkItem }) {
  const [opened, dialog] = useDisclosure(false);
  const mark = <PriorityMark priority={item.priority} />;
  if (item.status !== "queued" && item.status !== "generating") return mark;
  const { label } = PRIORITY[item.priority];
  return (
    <>
      <UnstyledButton
        className={classes.button}
        title="Change the priority"
        aria-label={`${label} priority, change: ${itemTitle(item)}`}
        onClick={dialog.open}
      >
        {mark}
        <IconSelector size={13} aria-hidden className={classes.icon} />
      </UnstyledButton>
      {opened && <PriorityDialog item={item} opened onClose={dialog.close} />}
    </>
  );
}
