import { Kbd, Modal } from "@mantine/core";
import { PAGES } from "@/lib/hotkeys";
import classes from "./ShortcutsDialog.module.css";

const GENERAL: [keys: string[], meaning: string][] = [
  [["/"], "Search"],
  [["j"], "Next row"],
  [["k"], "Previous row"],
  [["Enter"], "Open the row"],
  [["?"], "Show this list"],
  [["Esc"], "Close a dialog"],
];

export default function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  const pages = PAGES.map(({ key, label }): [string[], string] => [["g", key], label]);
  return (
    <Modal
      opened
      onClose={onClose}
      title="Keyboard shortcuts"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <dl className={classes.list}>
        {[...GENERAL, ...pages].map(([keys, meaning]) => (
          <div key={meaning} className={classes.row}>
            <dt>{meaning}</dt>
            <dd>
              {keys.map((key) => (
                <Kbd key={key} size="sm">
                  {key}
                </Kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
