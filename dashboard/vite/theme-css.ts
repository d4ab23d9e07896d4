import {
  convertCssVariables,
  DEFAULT_THEME,
  defaultCssVariablesResolver,
  mergeMantineTheme,
} from "@mantine/core";
import type { Plugin } from "vite";
import { theme } from "../src/theme/theme.ts";

const NAME = "virtual:theme.css";
const RESOLVED = `\0${NAME}`;

/**
 * Writes the theme's CSS variables into the stylesheet. Mantine would otherwise create a `<style>` element at run time,
 * which the policy `style-src 'self'` forbids.
 */
export function themeCss(): Plugin {
  return {
    name: "whim-theme-css",
    resolveId: (id) => (id === NAME ? RESOLVED : undefined),
    load: (id) =>
      id === RESOLVED
        ? convertCssVariables(
            defaultCssVariablesResolver(mergeMantineTheme(DEFAULT_THEME, theme)),
            ":root",
          )
        : undefined,
  };
}
