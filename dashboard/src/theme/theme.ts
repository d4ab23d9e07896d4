import { createTheme, type MantineColorsTuple } from "@mantine/core";

const iris: MantineColorsTuple = [
  "#eef0fe",
  "#dde1fc",
  "#bac2f9",
  "#99a4f6",
  "#7f8cf2",
  "#6473ea",
  "#4f5fdd",
  "#4250c4",
  "#3743a3",
  "#2c3680",
];

/** Mantine takes the dark scheme's text, borders, controls and backgrounds from this scale. */
const dark: MantineColorsTuple = [
  "#e9eaee",
  "#c3c5cd",
  "#a0a3ae",
  "#6d707c",
  "#3a3d48",
  "#2a2c35",
  "#1e2027",
  "#17181d",
  "#121318",
  "#0c0d10",
];

const SANS = '"Inter Variable", ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif';
const MONO = '"JetBrains Mono Variable", ui-monospace, "SF Mono", Menlo, Consolas, monospace';

/** Sizes are in rem of 16 px. The colours of surfaces, text and states are in tokens.css. */
export const theme = createTheme({
  colors: { iris, dark },
  primaryColor: "iris",
  primaryShade: 6,
  fontFamily: SANS,
  fontFamilyMonospace: MONO,
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.25rem" },
  lineHeights: { xs: "1.35", sm: "1.45", md: "1.5", lg: "1.5", xl: "1.4" },
  spacing: { xs: "0.5rem", sm: "0.75rem", md: "1rem", lg: "1.5rem", xl: "2rem" },
  radius: { xs: "0.25rem", sm: "0.375rem", md: "0.5rem", lg: "0.75rem", xl: "1rem" },
  defaultRadius: "sm",
  headings: {
    fontFamily: SANS,
    fontWeight: "620",
    sizes: {
      h1: { fontSize: "1.375rem", lineHeight: "1.3" },
      h2: { fontSize: "1rem", lineHeight: "1.4" },
      h3: { fontSize: "0.875rem", lineHeight: "1.5" },
    },
  },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // Locking the scroll bar inserts a `<style>` element, which the policy of the page forbids.
    Modal: {
      defaultProps: { lockScroll: false, centered: true },
      styles: { title: { fontSize: "1rem", fontWeight: 620 } },
    },
    Button: { defaultProps: { size: "sm" } },
  },
});
